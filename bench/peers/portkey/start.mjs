// Starts Portkey's gateway as a proxy for one upstream with one header set.
//
// A template: {{.Listen}} and {{.Upstream}} are addresses, {{.CA}} is the file
// with the bench's authority (in NODE_EXTRA_CA_CERTS), empty where the upstream
// speaks plaintext. The gateway's program file is the first argument.
//
// package.json keeps @hono/node-server at 1.13.8: from 1.14 to 1.19.19 the
// gateway 1.15.2 answers each stream with 500 ("TypeError: immutable"), because
// they hand it the upstream's headers to write to.
import { Server as HTTPServer } from 'node:http';
import { Server } from 'node:net';

// What the gateway wants to know with each request, in a header. The driver sends the same to all.
const config = JSON.stringify({
  // Its plain way: a chat completion in, one out, the body parsed and written anew.
  provider: 'openai',
  // The one header: it puts "Bearer " before it.
  api_key: '{{.Credential}}',
  // The upstream of the bench, with the path that the SDKs have in their base URL.
  custom_host: '{{if .CA}}https{{else}}http{{end}}://{{.Upstream}}/v1',
  // The rhythm that the driver asks the upstream for.
  forward_headers: ['x-bench'],
});

// On the one address that it is told: the gateway itself listens on all.
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, host, ...rest) {
  return listen.call(this, port, '{{.Host}}', ...rest);
};

// The header is added here, so that the driver's requests are those of all targets. It costs about a microsecond of its two thousand.
const emit = HTTPServer.prototype.emit;
HTTPServer.prototype.emit = function (event, ...args) {
  // Not on a connection or an error.
  if (event === 'request') args[0].rawHeaders.push('x-portkey-config', config);
  return emit.call(this, event, ...args);
};

// Idle connections of clients are kept while the others have their turn: 5 s by default. Set when the server starts to listen.
const keep = HTTPServer.prototype.listen;
HTTPServer.prototype.listen = function (...args) {
  this.keepAliveTimeout = 3600_000;
  return keep.apply(this, args);
};

await import(process.argv[2]);

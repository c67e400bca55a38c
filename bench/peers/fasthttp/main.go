// Command fasthttp is a bare proxy on fasthttp with one header set: what is
// left of sidekey without its work, and so a floor for it. bench builds it.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/valyala/fasthttp"
)

func main() {
	listen := flag.String("listen", "", "address to listen on")
	upstream := flag.String("upstream", "", "URL of the upstream")
	authority := flag.String("ca", "", "PEM file of the authority that vouches for it")
	authorization := flag.String("authorization", "", "value of the header to set")
	flag.Parse()
	if err := serve(*listen, *upstream, *authority, *authorization); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, upstream, authority, authorization string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	client := &fasthttp.HostClient{
		Addr:                      target.Host,
		Dial:                      dial,
		IsTLS:                     authority != "",
		StreamResponseBody:        true,          // events are passed on as they come
		MaxConns:                  32768,         // 512 by default; each stream has one
		MaxIdleConnDuration:       time.Hour,     // longer than the pause while the others have their turn
		ConnPoolStrategy:          fasthttp.LIFO, // the warm one first
		MaxIdemponentCallAttempts: 1,             // a request is sent once
		ReadBufferSize:            16 << 10,      // heads of replies may be large
		NoDefaultUserAgentHeader:  true,          // one header is set, not two
		DisablePathNormalizing:    true,          // the target is passed on as it is
		MaxResponseBodySize:       0,             // no limit
	}
	if authority != "" {
		pem, err := os.ReadFile(authority)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		client.TLSConfig = &tls.Config{
			RootCAs:            roots,                           // who answers is verified
			ServerName:         "localhost",                     // under this name, as with the others
			ClientSessionCache: tls.NewLRUClientSessionCache(0), // sessions are resumed, as with the others
		}
	}
	server := &fasthttp.Server{
		Handler:               func(c *fasthttp.RequestCtx) { pass(c, client, authorization) },
		StreamRequestBody:     true,     // large bodies are passed on as they come
		MaxRequestBodySize:    64 << 20, // 4 MiB by default
		ReadBufferSize:        16 << 10, // heads of requests may be large
		NoDefaultServerHeader: true,     // nothing is added to replies
		NoDefaultDate:         true,     // as above
		NoDefaultContentType:  true,     // as above
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return server.Serve(ln)
}

// dial has as much time as nginx has by default: 5000 streams may begin at once.
func dial(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, time.Minute) }

// pass sends the request on, and its reply back, in place.
func pass(c *fasthttp.RequestCtx, client *fasthttp.HostClient, authorization string) {
	if client.IsTLS {
		c.Request.URI().SetScheme("https") // the client refuses another scheme than its own
	}
	c.Request.Header.Del("Connection")
	c.Request.Header.Set("Authorization", authorization) // the one header
	if err := client.Do(&c.Request, &c.Response); err != nil {
		c.Error("the upstream failed", fasthttp.StatusBadGateway)
		return
	}
	c.Response.Header.Del("Connection")
	c.Response.ImmediateHeaderFlush = c.Response.Header.ContentLength() < 0 // a stream's head comes before its first event
}

package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy/wire"
)

// A snapshot is one configuration, compiled. It is immutable: a request loads
// the pointer to it once and lives by it to its end, so it never sees two
// configurations.
type snapshot struct {
	identity  *identifier
	detector  *detect.Detector
	policy    policy
	dialect   dialect
	gateway   upstream
	elsewhere *upstreams // providers called directly, and owners' own endpoints
	directory directory  // of direct calls
	templates []template
	expose    []string
	// forward: callers bring their own gateway credential (gateway.key empty).
	forward bool
	// ownHeaders are names that clients cannot send through: the trusted
	// identity header, gateway.auth_header and those of gateway.headers.
	ownHeaders []string
	limits     Limits
	guard      guardPolicy
	usage      usageMode
	sample     int64 // one in so many requests that went well is logged
}

// A template is a HeaderTemplate, cut at its {provider}.
type template struct {
	name          string
	before, after string
	perProvider   bool
}

const providerField = "{provider}"

// compile builds a snapshot of a configuration that Validate has approved.
// transport is taken over from the old snapshot if it leads to the same place.
func compile(c *Config, old *snapshot, oldConfig *Config) (*snapshot, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	u, err := parseOrigin(c.Gateway.URL)
	if err != nil {
		return nil, err
	}
	s := &snapshot{
		gateway: upstream{host: u.Host, prefix: strings.TrimSuffix(u.EscapedPath(), "/")},
		expose:  slices.Clone(c.Gateway.Expose), forward: c.Gateway.Key.IsZero(),
		limits: c.Limits, guard: newGuardPolicy(c), sample: max(int64(c.Log.Sample), 1),
		usage: map[string]usageMode{UsageOff: usageOff, UsageUnpack: usageUnpack}[c.Telemetry.Usage],
	}
	if s.limits.ScanWindow == 0 {
		s.limits.ScanWindow = defaultScanWindow
	}
	if s.identity, err = newIdentifier(&c.Identity); err != nil {
		return nil, err
	}
	if c.Identity.Mode == ModeHeader {
		s.ownHeaders = append(s.ownHeaders, c.Identity.headerName())
	}
	if s.detector, err = detect.New(c.Detect); err != nil {
		return nil, err
	}
	if c.Gateway.Dialect == DialectHeader {
		s.dialect = newHeader(&c.Gateway)
		if !s.forward {
			s.ownHeaders = append(s.ownHeaders, c.Gateway.AuthHeader)
		}
	} else {
		s.dialect = newVercel(&c.Gateway)
	}
	byok := c.BYOK // the caller's may change
	byok.Routes = slices.Clone(byok.Routes)
	s.policy = policy{direct: byok.direct, native: native, carries: s.dialect.carries, frames: c.Gateway.Dialect == DialectVercel, strict: s.guard.mode == guardStrict}
	if s.directory, err = newDirectory(c); err != nil {
		return nil, err
	}
	for _, h := range c.Gateway.Headers {
		before, after, found := strings.Cut(h.Value, providerField)
		s.templates = append(s.templates, template{h.Name, before, after, found})
		s.ownHeaders = append(s.ownHeaders, h.Name)
	}
	if old != nil && sameUpstreams(c, oldConfig) {
		s.elsewhere = old.elsewhere
	} else {
		s.elsewhere = newUpstreams(c, c.BYOI.compile())
	}
	if old != nil && sameUpstream(c, oldConfig) {
		s.gateway.transport = old.gateway.transport
		return s, nil
	}
	s.gateway.transport, err = newTransport(c)
	return s, err
}

// exposes reports whether the operator lists the raw path, or, for a path that
// is no surface known here, whether it may be called all the same: the
// gateway's new surfaces work before sidekey knows them. What must not be
// called, or is known under another spelling, stays shut: routers differ on
// case, on a trailing slash, on escapes, and some on all of them (peers and
// pitfalls, item 20).
func (s *snapshot) exposes(surface detect.Surface, path []byte) bool {
	if slices.Contains(s.expose, string(path)) {
		return true
	}
	if surface != detect.Other || bytes.ContainsAny(path, "%;\\") || bytes.Contains(path, []byte("//")) || bytes.Contains(path, []byte("/.")) {
		return false
	}
	folded := bytes.ToLower(bytes.TrimRight(path, "/"))
	get, post := detect.Route([]byte("GET"), folded), detect.Route([]byte("POST"), folded)
	if closed(get) || closed(post) {
		return false
	}
	return bytes.Equal(folded, path) || post == detect.Other
}

// closed reports a known surface that chatbots may not call unasked.
func closed(s detect.Surface) bool { return s != detect.Other && !s.Exposed() }

// sameUpstream reports whether two configurations lead to the same place in
// the same way, so that connections may be kept over a reload. It compares what
// newTransport uses.
func sameUpstream(a, b *Config) bool {
	return a.Gateway.URL == b.Gateway.URL && slices.Equal(a.Gateway.RootCAs, b.Gateway.RootCAs) && sameTimes(a, b)
}

func newTransport(c *Config) (*wire.Transport, error) {
	u, err := parseOrigin(c.Gateway.URL)
	if err != nil {
		return nil, err
	}
	w := wireConfig(c)
	w.Address = origin{scheme: u.Scheme, host: u.Host}.address()
	if u.Scheme == "https" {
		w.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
		if len(c.Gateway.RootCAs) > 0 {
			if w.TLS.RootCAs, err = rootCAs(c.Gateway.RootCAs); err != nil {
				return nil, err
			}
		}
	}
	return wire.NewTransport(w)
}

// rootCAs adds a PEM bundle to the system's roots.
func rootCAs(pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the file holds no certificate; name a PEM file of certificates")
	}
	return pool, nil
}

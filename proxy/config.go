package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
)

// Config is the proxy's part of the configuration, with every reference to a
// secret resolved. New and Reload validate it and compile it into an
// immutable snapshot; a Config may be reused or thrown away afterwards.
type Config struct {
	Identity IdentityConfig
	Gateway  GatewayConfig
	BYOK     BYOKConfig
	BYOI     BYOIConfig
	Direct   DirectConfig
	Detect   []detect.Rule
	Limits   Limits
	Timeouts Timeouts
	Log      LogConfig

	Telemetry TelemetryConfig
}

// The words of telemetry.usage.
const (
	UsagePlain  = "plain"
	UsageUnpack = "unpack"
	UsageOff    = "off"
)

// TelemetryConfig says what is measured beside what always is.
type TelemetryConfig struct {
	// Usage says which replies are read for their tokens: UsagePlain (also if
	// empty), UsageUnpack (compressed ones too) or UsageOff.
	Usage string
}

// LogConfig says which requests get a line.
type LogConfig struct {
	// Sample is N where one in N of the requests that went well gets a line; 0 is
	// 1. Those that did not go well all get one.
	Sample int
}

// The identity modes of DESIGN section 5.
const (
	ModeFixed  = "fixed"
	ModeToken  = "token"
	ModeHeader = "header"
)

// IdentityConfig says how the chatbot behind a request is known.
type IdentityConfig struct {
	Mode    string
	Chatbot string // mode fixed
	// TokenSecret verifies HS256, TokenKeys (a PEM or JWKS document) EdDSA and
	// RS256. Mode token needs at least one of them.
	TokenSecret credstore.Secret
	TokenKeys   []byte
	// Header is the trusted header of mode header, x-chatbot-id if empty.
	// Whoever wires the listener must see to it that only trusted peers reach
	// it: loopback, a unix socket or mutual TLS.
	Header string
}

// The dialects of DESIGN section 7.
const (
	DialectVercel = "vercel"
	DialectHeader = "header"
)

// The words of gateway.multipart.
const (
	MultipartRefuse = "refuse"
	MultipartField  = "field"
)

// GatewayConfig describes the gateway and how it wants to be shown keys.
type GatewayConfig struct {
	URL     string // origin, and a path prefix if any
	Dialect string
	// Key is the platform's credential. If empty, system calls forward the
	// caller's own Authorization (mode fixed only).
	Key credstore.Secret
	// OwnerTrafficKey is a second gateway key for owner calls, whose budget is
	// a fuse. If empty, Key is used for them as well.
	OwnerTrafficKey credstore.Secret
	// AuthHeader carries the gateway's own credential in the header dialect,
	// for example cf-aig-authorization or x-portkey-api-key.
	AuthHeader string
	// Headers are set on every request; {provider} stands for the slug, and a
	// header with it is left out where the provider is unknown.
	Headers []HeaderTemplate
	// Expose lists raw paths that are otherwise refused, such as /v1/credits.
	Expose []string
	// Multipart is MultipartRefuse (also if empty) or MultipartField: whether an
	// owner's key may travel in a form field of its own.
	Multipart string
	// RootCAs, PEM, is added to the system's roots.
	RootCAs []byte
	// Warm is how many connections are kept ready; 0 none.
	Warm int
}

// A HeaderTemplate is one of gateway.headers.
type HeaderTemplate struct{ Name, Value string }

// Validate returns every problem of the configuration at once, each with its
// path in the file.
func (c *Config) Validate() error {
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	c.Identity.validate(bad)
	c.Gateway.validate(bad)
	if c.Gateway.Key.IsZero() && c.Identity.Mode != ModeFixed {
		bad("gateway.key", "is needed in identity mode %s, where the caller's own credential never goes upstream; write for example env:AI_GATEWAY_API_KEY", c.Identity.Mode)
	}
	c.BYOK.validate(bad)
	c.BYOI.validate(bad)
	c.Direct.validate(bad)
	c.Limits.validate(bad)
	c.Timeouts.validate(bad)
	if u := c.Telemetry.Usage; u != "" && u != UsagePlain && u != UsageUnpack && u != UsageOff {
		bad("telemetry.usage", "%q is not known; write plain, unpack or off", u)
	}
	if c.Log.Sample < 0 {
		bad("log.sample", "must not be negative; write 1 for a line for each request, 100 for one in a hundred")
	}
	if _, err := detect.New(c.Detect); err != nil {
		bad("detect.rules", "%v", err)
	}
	return errors.Join(errs...)
}

func (c *IdentityConfig) validate(bad func(path, format string, args ...any)) {
	switch c.Mode {
	case ModeFixed:
		if !credstore.ValidID(c.Chatbot) {
			bad("identity.chatbot", "%q is not a chatbot id; write 1 to 128 of the characters A-Z a-z 0-9 . _ : -", c.Chatbot)
		}
	case ModeToken:
		if c.TokenSecret.IsZero() && len(c.TokenKeys) == 0 {
			bad("identity.token", "needs a secret (HS256) or public_keys (EdDSA, RS256); write for example secret: env:SIDEKEY_TOKEN_SECRET")
		}
		if n := len(c.TokenSecret.Reveal()); n > 0 && n < minTokenSecret {
			bad("identity.token.secret", "is %d bytes long, HS256 needs at least %d (RFC 7518 section 3.2); make one with: openssl rand -hex 32", n, minTokenSecret)
		}
		if len(c.TokenKeys) > 0 {
			if _, err := parsePublicKeys(c.TokenKeys); err != nil {
				bad("identity.token.public_keys", "%v", err)
			}
		}
	case ModeHeader:
		if !validHeaderName(c.headerName()) {
			bad("identity.header.name", "%q is not a header name", c.Header)
		}
	default:
		bad("identity.mode", "%q is not known; write fixed, token or header", c.Mode)
	}
}

// headerName is the trusted header of mode header.
func (c *IdentityConfig) headerName() string {
	if c.Header == "" {
		return defaultTrustHeader
	}
	return c.Header
}

func (c *GatewayConfig) validate(bad func(path, format string, args ...any)) {
	if _, err := parseOrigin(c.URL); err != nil {
		bad("gateway.url", "%v", err)
	}
	switch c.Dialect {
	case DialectVercel:
		if c.AuthHeader != "" {
			bad("gateway.auth_header", "belongs to dialect header; the vercel dialect uses Authorization")
		}
	case DialectHeader:
		if !validHeaderName(c.AuthHeader) {
			bad("gateway.auth_header", "%q is not a header name; write for example cf-aig-authorization", c.AuthHeader)
		} else if isNativeHeader(c.AuthHeader) || isFramingHeader(c.AuthHeader) {
			bad("gateway.auth_header", "%s carries the provider's key in this dialect; write the gateway's own header, for example cf-aig-authorization", c.AuthHeader)
		}
	default:
		bad("gateway.dialect", "%q is not known; write vercel or header", c.Dialect)
	}
	if m := c.Multipart; m != "" && m != MultipartRefuse && m != MultipartField {
		bad("gateway.multipart", "%q is not known; write refuse or field", m)
	}
	for i, h := range c.Headers {
		at := fmt.Sprintf("gateway.headers[%d]", i)
		if !validHeaderName(h.Name) || classifyHeader([]byte(h.Name)) == credentialHeader || isFramingHeader(h.Name) {
			bad(at+".name", "%q cannot be set here: not a header name, or one that sidekey itself sets", h.Name)
		}
		if strings.ContainsAny(h.Value, "\r\n\x00") {
			bad(at+".value", "has a line break or NUL in it")
		}
	}
	if c.Warm < 0 {
		bad("gateway.warm", "must not be negative; write 0 for none")
	}
	if len(c.RootCAs) > 0 {
		if _, err := rootCAs(c.RootCAs); err != nil {
			bad("gateway.ca_file", "%v", err)
		}
	}
	for i, p := range c.Expose {
		if !strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.ContainsAny(p, "?%*") {
			bad(fmt.Sprintf("gateway.expose[%d]", i), "%q is not a plain path; write for example /v1/credits", p)
		}
	}
}

// parseOrigin reads gateway.url.
func parseOrigin(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		// url.Error repeats the whole input, which may hold a password.
		return nil, errors.New("is not a URL; write for example https://ai-gateway.vercel.sh")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("needs a scheme and a host; write for example https://ai-gateway.vercel.sh")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, errors.New("must have no user, query or fragment; credentials belong in gateway.key")
	case u.Path != "" && u.Path != "/" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") || u.RawPath != "":
		return nil, errors.New("has a path that is not plain")
	}
	return u, nil
}

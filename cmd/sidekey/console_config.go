package main

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"strings"

	"github.com/sidekey/sidekey/console"
	"github.com/sidekey/sidekey/proxy"
)

// console checks what the file says of the console. Its secrets are looked at
// when it starts: a sidecar on the same file must not hold them.
func (c *checker) console(cfg *Config) {
	k := cfg.Console
	c.address("console.listen", k.Listen, "127.0.0.1:8789")
	for _, other := range []struct{ path, address string }{{"listen", cfg.Listen}, {"admin.listen", cfg.Admin.Listen}} {
		if k.Listen == other.address && !strings.HasSuffix(k.Listen, ":0") {
			c.bad("console.listen", "this is the address of "+other.path+" as well", "give each its own port")
		}
	}
	for i, base := range k.Notify {
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			c.bad(fmt.Sprintf("console.notify[%d]", i), "this is not the address of a sidecar's admin listener", "write for example http://127.0.0.1:8788")
		}
	}
	t := cfg.Identity.Token
	if k.Auth.Secret != "" && k.Auth.Secret == t.Secret {
		c.bad("console.auth.secret", "this is identity.token.secret as well: who signs for chatbots could sign people in", "give each its own; make one with: openssl rand -hex 32")
	}
}

// consoleConfig loads the file for the console, with its own secrets and the
// store's. All problems come together.
func (a *app) consoleConfig() (*loaded, console.Config, error) {
	l := a.loader()
	ld, problems := l.load()
	r := &resolver{lookup: l.lookup, sum: sha256.New()}
	needed := func(path string) bool {
		return strings.HasPrefix(path, "console.") || path == "store.local.keyset"
	}
	problems = append(problems, ld.locate(r.secretsOf(ld, needed), problems)...)
	cfg, more := consoleAuth(ld)
	problems = append(problems, ld.locate(more, problems)...)
	if len(problems) > 0 {
		sortProblems(problems)
		return nil, cfg, &ConfigError{problems}
	}
	return ld, cfg, nil
}

// consoleAuth reads what sign-ins are verified with.
func consoleAuth(ld *loaded) (cfg console.Config, problems []Problem) {
	bad := func(path, wrong, fix string) {
		problems = append(problems, Problem{Path: path, Wrong: wrong, Fix: fix})
	}
	k := ld.Config.Console
	cfg.TokenSecret = ld.Secrets["console.auth.secret"]
	if n := len(cfg.TokenSecret.Reveal()); n > 0 && n < proxy.MinTokenSecret {
		bad("console.auth.secret", fmt.Sprintf("it is %d bytes long, HS256 needs %d (RFC 7518 section 3.2)", n, proxy.MinTokenSecret), "make one with: openssl rand -hex 32")
	}
	if doc, ok := ld.Secrets["console.auth.public_keys"]; ok {
		keys, err := proxy.ParsePublicKeys(doc.Reveal())
		if err != nil {
			bad("console.auth.public_keys", err.Error(), "name a PEM or JWKS document of Ed25519 or RSA public keys")
		}
		for _, key := range keys {
			cfg.TokenKeys = append(cfg.TokenKeys, console.PublicKey(key))
		}
	}
	if k.Auth == (ConsoleAuth{}) && (!loopback(k.Listen) || strings.HasPrefix(k.Listen, "unix:")) {
		bad("console.auth", "without it the operator signs in by a link that this machine's terminal shows, and "+quote(k.Listen)+" is no address for that",
			"write secret: env:NAME or public_keys: file:/path, or listen on 127.0.0.1")
	}
	return cfg, problems
}

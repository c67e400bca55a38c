package main

import (
	"fmt"
	"net"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// A checker collects what is wrong with values that are well formed. What the
// proxy's own sections mean is checked by the proxy (compile.go); here is what
// only the program knows: listeners, references, store, cache, log.
type checker struct{ problems []Problem }

func (c *checker) bad(path, wrong, fix string) {
	c.problems = append(c.problems, Problem{Path: path, Wrong: wrong, Fix: fix})
}

func validate(cfg *Config) []Problem {
	c := &checker{}
	c.listeners(cfg)
	c.identity(cfg)
	for _, leaf := range schema().leaves() {
		if reference, ok := leaf.value(cfg).(Ref); ok && reference != "" {
			if wrong, fix := reference.form(); wrong != "" {
				c.bad(leaf.path, wrong, fix)
			}
		}
	}
	for i, h := range cfg.Gateway.Headers {
		if looksLikeKey(h.Value) {
			c.bad(fmt.Sprintf("gateway.headers[%d].value", i), "this looks like a secret, and secrets are not written into the configuration",
				"put the gateway's credential in gateway.key and name its header in gateway.auth_header")
		}
	}
	for i, host := range cfg.BYOI.Allow {
		c.hostGlob(fmt.Sprintf("byoi.allow[%d]", i), host)
	}
	for i, r := range cfg.Detect.Rules {
		c.rule(fmt.Sprintf("detect.rules[%d]", i), r)
	}
	c.store(cfg)
	c.console(cfg)
	c.cache(&cfg.Cache)
	c.word("byok.route", cfg.BYOK.Route, "gateway", "direct")
	c.word("byok.guard", cfg.BYOK.Guard, "strict", "report", "off")
	c.word("byok.guard_unknown", cfg.BYOK.GuardUnknown, "pass", "refuse")
	for i, r := range cfg.BYOK.Routes {
		at := fmt.Sprintf("byok.routes[%d]", i)
		c.provider(at+".provider", r.Provider)
		c.word(at+".route", r.Route, "gateway", "direct")
	}
	c.word("gateway.dialect", cfg.Gateway.Dialect, "vercel", "header")
	c.word("gateway.multipart", cfg.Gateway.Multipart, "refuse", "field")
	c.number("gateway.warm", cfg.Gateway.Warm, 0, 1000)
	c.word("limits.half_close", cfg.Limits.HalfClose, "close", "allow")
	c.word("log.level", cfg.Log.Level, "debug", "info", "warn", "error")
	c.word("log.format", cfg.Log.Format, "auto", "json", "console")
	c.number("telemetry.sample_percent", cfg.Telemetry.SamplePercent, 0, 100)
	c.word("telemetry.usage", cfg.Telemetry.Usage, "plain", "unpack", "off")
	c.number("log.sample", cfg.Log.Sample, 1, 1_000_000)
	c.within("byok.guard_cooldown", cfg.BYOK.GuardCooldown, time.Second, 24*time.Hour)
	c.within("limits.drain", cfg.Limits.Drain, 0, 24*time.Hour)
	c.within("limits.drain_delay", cfg.Limits.DrainDelay, 0, time.Hour)
	c.sizes(&cfg.Limits)
	c.timeouts(&cfg.Timeouts)
	return c.problems
}

func (c *checker) listeners(cfg *Config) {
	c.address("listen", cfg.Listen, "127.0.0.1:8787 or unix:/run/sidekey.sock")
	c.address("admin.listen", cfg.Admin.Listen, "127.0.0.1:8788")
	if cfg.Listen == cfg.Admin.Listen && !strings.HasSuffix(cfg.Listen, ":0") {
		c.bad("admin.listen", "this is the address of listen as well", "give each its own port")
	}
	t := cfg.ListenTLS
	if (t.CertFile == "") != (t.KeyFile == "") {
		c.bad("listen_tls", "cert_file and key_file belong together", "write both or none")
	}
	if t.ClientCAFile != "" && t.CertFile == "" {
		c.bad("listen_tls.client_ca_file", "mutual TLS needs the server's own certificate too", "write cert_file and key_file")
	}
}

// address checks host:port or unix:/path.
func (c *checker) address(at, address, example string) {
	if sock, ok := strings.CutPrefix(address, "unix:"); ok {
		// sockaddr_un holds 108 bytes, the last of them zero (unix(7)).
		if sock == "" || len(sock) > 107 {
			c.bad(at, "a socket's path has 1 to 107 bytes", "write for example unix:/run/sidekey.sock")
		}
		if sock != "" && !filepath.IsAbs(sock) {
			c.bad(at, "a socket's path is absolute", "write for example unix:/run/sidekey.sock")
		}
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsAny(host, "/ @") {
		c.bad(at, quote(address)+" is not an address", "write for example "+example)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		c.bad(at, quote(port)+" is not a port", "write a number up to 65535; 0 takes a free one")
	}
}

// loopback says that an address can be reached from this machine only.
func loopback(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func (c *checker) identity(cfg *Config) {
	id := cfg.Identity
	c.word("identity.mode", id.Mode, "fixed", "token", "header")
	// Whoever can reach the listener can claim to be any chatbot.
	if id.Mode == "header" && !loopback(cfg.Listen) && cfg.ListenTLS.ClientCAFile == "" {
		c.bad("identity.mode", "header trusts everybody who can connect, and "+quote(cfg.Listen)+" can be reached from outside",
			"listen on 127.0.0.1 or a unix socket, set listen_tls.client_ca_file, or use mode token")
	}
}

// word checks a choice among a few words.
func (c *checker) word(at, got string, known ...string) {
	if slices.Contains(known, got) {
		return
	}
	fix := "write " + oneOf(known)
	if near := nearest(got, known); near != "" {
		fix = "did you mean " + near + "? " + fix
	}
	wrong := "there is no such choice"
	if !looksLikeKey(got) {
		wrong = quote(got) + " is not known"
	}
	c.bad(at, wrong, fix)
}

func (c *checker) rule(at string, r Rule) {
	if r.Match == "" {
		c.bad(at+".match", "a rule needs a pattern", `write for example "acme-*"`)
	}
	c.provider(at+".provider", r.Provider)
}

// provider checks a slug.
func (c *checker) provider(at, name string) {
	if _, ok := provider.Lookup(provider.Slug(name)); ok {
		return
	}
	var slugs []string
	for _, p := range provider.All() {
		slugs = append(slugs, string(p.Slug))
	}
	fix := "run sidekey detect --providers for the list"
	if slug, ok := provider.BySpelling(name); ok {
		fix = "write " + string(slug)
	} else if near := nearest(name, slugs); near != "" {
		fix = "did you mean " + near + "?"
	}
	c.bad(at, quote(name)+" is not a provider", fix)
}

// hostGlob checks a pattern for host names: no scheme, no port, no path.
func (c *checker) hostGlob(at, host string) {
	const fix = `write for example "llm.example.com" or "*.example.com"`
	_, err := path.Match(host, "")
	switch {
	case host == "" || err != nil:
		c.bad(at, quote(host)+" is not a pattern for host names", fix)
	case strings.ContainsAny(host, "/@: ") && net.ParseIP(host) == nil:
		c.bad(at, "only the host is matched, without scheme, port or path", fix)
	}
}

func (c *checker) store(cfg *Config) {
	c.word("store.kind", cfg.Store.Kind, storeLocal, storeAWS)
	if cfg.Store.Local.Dir == "" {
		c.bad("store.local.dir", "the local store needs a directory", "write for example ./sidekey-data")
	}
	a := &cfg.Store.AWS
	if !credstore.ValidTable(a.Table) {
		c.bad("store.aws.table", "this is not the name of a DynamoDB table", "write 3 to 255 of the characters A-Z a-z 0-9 _ . -")
	}
	if !credstore.ValidKMSKey(a.KMSKey) {
		c.bad("store.aws.kms_key", "this names no KMS key", "write alias/NAME, the key's ARN or its id")
	}
	if a.Region != "" && !validRegion().MatchString(a.Region) {
		c.bad("store.aws.region", quote(a.Region)+" is not a region", "write for example eu-central-1, or leave it out to take AWS_REGION")
	}
}

// validRegion is the form of a region's name, of every partition of AWS.
var validRegion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`) })

// maxTTL is the promise made to owners: no key is used longer than this after
// the store last confirmed it. A longer TTL would break the promise, a shorter
// one only costs more reads.
const maxTTL = 5 * time.Minute

func (c *checker) cache(k *Cache) {
	if k.TTL > maxTTL {
		c.bad("cache.ttl", fmt.Sprintf("%v is too long: owners are promised that a removed key is out of use within %v", brief(k.TTL), brief(maxTTL)), "write 5m or less")
	} else {
		c.within("cache.ttl", k.TTL, time.Second, maxTTL)
	}
	c.atLeastTTL("cache.stale_limit", k.StaleLimit, k.TTL)
	c.atLeastTTL("cache.recheck", k.Recheck, k.TTL)
	c.number("cache.max_chatbots", k.MaxChatbots, 1, 10_000_000)
}

func (c *checker) atLeastTTL(at string, d, ttl time.Duration) {
	if d >= ttl {
		c.within(at, d, 0, 24*time.Hour)
		return
	}
	c.bad(at, fmt.Sprintf("%v is less than cache.ttl (%v)", brief(d), brief(ttl)), "write that or more")
	c.problems[len(c.problems)-1].because = "cache.ttl"
}

package proxy

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// The routes of byok.route.
const (
	ViaGateway = "gateway"
	ViaDirect  = "direct"
)

// The words of byok.guard and byok.guard_unknown.
const (
	GuardStrict = "strict"
	GuardReport = "report"
	GuardOff    = "off"

	UnknownPass   = "pass"
	UnknownRefuse = "refuse"
)

// BYOKConfig says which way owner keys travel, and what is done about a call
// that the platform paid for instead. Zero values of the guard's numbers take
// the defaults named.
type BYOKConfig struct {
	Route  string      // for all providers that Routes does not name
	Routes []RouteRule // the first one that names a provider holds

	Guard         string        // strict, report or off
	GuardUnknown  string        // pass or refuse a reply that does not say who paid; pass
	GuardWindow   int64         // bytes of a reply that are held until it is judged; 4 MiB
	GuardCooldown time.Duration // for which a rejected key is not tried again; 15m
}

// A RouteRule says which way the keys of one provider travel.
type RouteRule struct {
	Provider provider.Slug
	Route    string
}

// direct says whether owner keys of a provider go straight to it.
func (c *BYOKConfig) direct(s provider.Slug) bool {
	for _, r := range c.Routes {
		if r.Provider == s {
			return r.Route == ViaDirect
		}
	}
	return c.Route == ViaDirect
}

func (c *BYOKConfig) validate(bad func(path, format string, args ...any)) {
	route := func(at, word string) {
		if word != ViaGateway && word != ViaDirect {
			bad(at, "%q is not a route; write gateway or direct", word)
		}
	}
	route("byok.route", c.Route)
	for i, r := range c.Routes {
		at := fmt.Sprintf("byok.routes[%d]", i)
		route(at+".route", r.Route)
		if _, ok := provider.Lookup(r.Provider); !ok {
			bad(at+".provider", "%q is not a provider; run sidekey detect --providers for the list", r.Provider)
		}
	}
	if g := c.Guard; g != GuardStrict && g != GuardReport && g != GuardOff {
		bad("byok.guard", "%q is not known; write strict, report or off", g)
	}
	if u := c.GuardUnknown; u != "" && u != UnknownPass && u != UnknownRefuse {
		bad("byok.guard_unknown", "%q is not known; write pass or refuse", u)
	}
	if c.GuardWindow < 0 || c.GuardCooldown < 0 {
		bad("byok", "guard_window and guard_cooldown must not be negative; leave them out for the defaults")
	}
}

// BYOIConfig says where owners' own endpoints may stand.
type BYOIConfig struct {
	// Allow are patterns for hosts, addresses and networks, see allowList. Empty:
	// every host with a public address. A private address must be listed, by name
	// or as itself.
	Allow []string
}

func (c *BYOIConfig) validate(bad func(path, format string, args ...any)) {
	parseAllow(c.Allow, func(i int, entry string) {
		bad(fmt.Sprintf("byoi.allow[%d]", i), "%q is no pattern for a host, without scheme and port and in its ASCII form; write for example *.example.com or 10.0.0.0/8", entry)
	})
}

func (c *BYOIConfig) compile() *allowList { return parseAllow(c.Allow, func(int, string) {}) }

// Check reports why this configuration would not send a chatbot's requests to
// an owner's endpoint, as far as its address says so without being looked up.
func (c *BYOIConfig) Check(address string) error { return newEndpoint(address, c.compile()).err }

// DirectConfig is what direct calls need to know besides the table of
// providers.
type DirectConfig struct {
	// Models are names under which a provider knows a model that the gateway
	// calls otherwise. What is not listed is called as it is, without its
	// "creator/".
	Models []ModelName
	// BaseURL replaces a provider's address. It is for tests.
	BaseURL func(s provider.Slug, real string) string `json:"-"`
}

// A ModelName says that the provider calls Model ID.
type ModelName struct{ Model, ID string }

func (c *DirectConfig) validate(bad func(path, format string, args ...any)) {
	seen := map[string]bool{}
	for i, m := range c.Models {
		at := fmt.Sprintf("direct.models[%d]", i)
		if m.Model == "" || m.ID == "" {
			bad(at, "needs both model and id; write for example {model: anthropic/claude-sonnet-4.5, id: claude-sonnet-4-5}")
		}
		if strings.ContainsFunc(m.ID, unicode.IsControl) || len(m.ID) > detect.MaxModel {
			bad(at+".id", "is not a possible model id; write it as the provider does, such as claude-sonnet-4-5")
		}
		if seen[m.Model] {
			bad(at+".model", "%q is listed twice; keep one", m.Model)
		}
		seen[m.Model] = true
	}
}

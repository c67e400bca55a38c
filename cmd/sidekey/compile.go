package main

import (
	"strings"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy"
)

// compile hands the file's values over to the proxy, with every secret
// resolved. What they mean, and what is wrong with them, is the proxy's to
// say; its words are returned as problems.
func compile(ld *loaded) (proxy.Config, []Problem) {
	c := &ld.Config
	out := proxy.Config{
		Identity: proxy.IdentityConfig{
			Mode:        c.Identity.Mode,
			Chatbot:     c.Identity.Chatbot,
			TokenSecret: ld.Secrets["identity.token.secret"],
			Header:      c.Identity.Header.Name,
		},
		Gateway: proxy.GatewayConfig{
			URL:             c.Gateway.URL,
			Dialect:         c.Gateway.Dialect,
			Key:             ld.Secrets["gateway.key"],
			OwnerTrafficKey: ld.Secrets["gateway.owner_traffic_key"],
			AuthHeader:      c.Gateway.AuthHeader,
			Expose:          c.Gateway.Expose,
			Multipart:       c.Gateway.Multipart,
			Warm:            c.Gateway.Warm,
			RootCAs:         ld.RootCAs,
		},
		BYOK: proxy.BYOKConfig{
			Route: c.BYOK.Route, Guard: c.BYOK.Guard, GuardUnknown: c.BYOK.GuardUnknown,
			GuardWindow: int64(c.BYOK.GuardWindow), GuardCooldown: c.BYOK.GuardCooldown,
		},
		BYOI: proxy.BYOIConfig{Allow: c.BYOI.Allow},
		Limits: proxy.Limits{
			Body: int64(c.Limits.Body), Header: int(c.Limits.Header), ScanWindow: int64(c.Limits.ScanWindow),
			Connections: c.Limits.Connections, HalfClose: c.Limits.HalfClose,
		},
		Timeouts: proxy.Timeouts(c.Timeouts),
		Log:      proxy.LogConfig{Sample: c.Log.Sample},

		Telemetry: proxy.TelemetryConfig{Usage: c.Telemetry.Usage},
	}
	if keys, ok := ld.Secrets["identity.token.public_keys"]; ok {
		out.Identity.TokenKeys = keys.Reveal()
	}
	for _, h := range c.Gateway.Headers {
		out.Gateway.Headers = append(out.Gateway.Headers, proxy.HeaderTemplate{Name: h.Name, Value: h.Value})
	}
	for _, r := range c.BYOK.Routes {
		out.BYOK.Routes = append(out.BYOK.Routes, proxy.RouteRule{Provider: provider.Slug(r.Provider), Route: r.Route})
	}
	for _, m := range c.Direct.Models {
		out.Direct.Models = append(out.Direct.Models, proxy.ModelName(m))
	}
	out.Detect = rules(c)
	return out, proxyProblems(out.Validate())
}

// rules are the operator's own, in the detector's words.
func rules(c *Config) []detect.Rule {
	var out []detect.Rule
	for _, r := range c.Detect.Rules {
		out = append(out, detect.Rule{Match: r.Match, Provider: provider.Slug(r.Provider)})
	}
	return out
}

// proxyProblems takes apart what a package's Validate returned: joined errors
// of the form "path: what is wrong; what to write".
func proxyProblems(err error) []Problem {
	if err == nil {
		return nil
	}
	causes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		causes = joined.Unwrap()
	}
	var out []Problem
	for _, cause := range causes {
		path, words, ok := strings.Cut(cause.Error(), ": ")
		if !ok {
			path, words = "", cause.Error()
		}
		wrong, fix, _ := strings.Cut(words, "; ")
		out = append(out, Problem{Path: path, Wrong: wrong, Fix: fix})
	}
	return out
}

package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// A Verdict is what a check has found out about a key.
type Verdict uint8

// The verdicts. The zero Verdict claims nothing.
const (
	// Inconclusive: the provider did not say. It may be down, slow, limiting
	// the rate, or forbid this key the free call while allowing others.
	Inconclusive Verdict = iota
	// Valid: the provider knows the key.
	Valid
	// Invalid: the provider does not know the key, or has withdrawn it.
	Invalid
	// NoCredit: the key is good, but there is nothing left to pay with.
	NoCredit
)

// String returns "valid", "invalid", "inconclusive" or "no credit".
func (v Verdict) String() string {
	switch v {
	case Valid:
		return "valid"
	case Invalid:
		return "invalid"
	case NoCredit:
		return "no credit"
	}
	return "inconclusive"
}

// MarshalText returns the same words, for JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// A Result is the outcome of one check. It is safe to print and to store.
type Result struct {
	Verdict Verdict `json:"verdict"`
	// Status is that of the provider's reply that decided; 0 if there was none.
	Status int `json:"status,omitempty"`
	// Words are the provider's own, or sidekey's where the provider said
	// nothing: at most 300 characters on one line, without control characters
	// and without the key or any eight characters in a row of it. Empty if
	// there is nothing to add to the verdict.
	Words string `json:"words,omitempty"`
}

// Limits of a check.
const (
	checkTimeout = 10 * time.Second // if the caller's context has no deadline
	maxReply     = 64 << 10         // bytes of a reply's body that are read
	maxHead      = 64 << 10         // bytes of a reply's head, with our own transport
)

// A Checker asks a provider whether a key is good, by a call that costs
// nothing. The zero Checker works and may be used concurrently.
//
// A check never follows a redirect, reads at most 64 KiB of a reply and ends
// after 10 seconds unless the context has a deadline of its own. For Vertex it
// makes two or three calls, else one.
type Checker struct {
	// Client makes the calls, if it is not nil. Its CheckRedirect and Jar are
	// not used.
	Client *http.Client
	// BaseURL, if it is not nil, replaces the URL of each call: a test or an
	// egress proxy. It is given the real URL, path and query included. Whoever
	// answers there is shown the key.
	BaseURL func(s Slug, realURL string) string
}

// Check asks the provider about a credential in its stored form. It does not
// fail: what went wrong is in the Result.
func (c *Checker) Check(ctx context.Context, s Slug, secret []byte) Result {
	p, ok := Lookup(s)
	if !ok {
		return Result{Words: "sidekey knows no provider of that name"}
	}
	if err := ValidateCredential(s, secret); err != nil {
		return Result{Verdict: Invalid, Words: err.Error()}
	}
	if !p.Checkable() {
		return Result{Words: "sidekey knows no free check for " + p.Name}
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, checkTimeout)
		defer cancel()
	}
	call := &call{ctx: ctx, provider: p, client: c.client(), base: c.BaseURL}
	call.hide(hiddenParts(p.Credential, secret)...)
	if p.check.run != nil {
		return p.check.run(call, secret)
	}
	return p.check.ask(call, secret)
}

// client returns a client that follows nothing and remembers nothing.
func (c *Checker) client() *http.Client {
	var own http.Client
	if c.Client != nil {
		own = *c.Client
	}
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Transport == nil {
		own.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true, // one check, one connection
			MaxResponseHeaderBytes: maxHead,
		}
	}
	return &own
}

// trouble puts a failed exchange into words. A *url.Error holds the whole URL,
// so only what is inside it is used.
func trouble(host string, err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "the check was cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer from %s in time", host)
	case errors.As(err, &dns):
		return fmt.Sprintf("the host %s cannot be found", host)
	}
	return fmt.Sprintf("no usable answer from %s: %v", host, err)
}

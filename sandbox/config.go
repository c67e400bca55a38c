package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Config says which keys are good and how the stand-in behaves. The zero
// value works: any non-empty gateway key is accepted, no provider key is good,
// every provider has system credentials, and a failed owner key falls back to
// them, as it does on the real gateway.
type Config struct {
	// GatewayKeys are accepted as "Authorization: Bearer" or "x-api-key".
	// Empty: any non-empty key is accepted.
	GatewayKeys []string

	// ProviderKeys lists, by provider slug, the owner keys that the provider
	// accepts: the API key, for bedrock the secret access key, for vertex the
	// private key. A key that is not listed fails with its KeyFailures status,
	// or with 401.
	ProviderKeys map[string][]string

	// KeyFailures gives the status (400-599) with which a provider key fails,
	// listed as good or not. 0 means that the provider never answers: the
	// attempt lasts until the client leaves or Timeout has passed.
	KeyFailures map[string]int

	// SystemProviders are the slugs for which the platform has credentials of
	// its own. nil: all. Empty but not nil: none.
	SystemProviders []string

	// SystemFailures gives the status with which the platform's credential for
	// a slug fails. 0 hangs, as in KeyFailures.
	SystemFailures map[string]int

	// NoFallback turns off what the real gateway always does: retry a failed
	// owner key with the platform's credential.
	NoFallback bool

	// VirtualModels are the models that can be asked for as "vmc/<name>".
	VirtualModels map[string]VirtualModel

	// HeaderGateway names the header that carries the gateway key on gateways
	// that take the owner's key in the provider's own header: such as
	// cf-aig-authorization, x-portkey-api-key, Helicone-Auth. Empty: the
	// gateway key is in Authorization and the owner's key in the body.
	HeaderGateway string

	// AcceptMultipartOptions honours a providerOptions form field. Whether the
	// real gateway does is not known, so the default is that it does not.
	AcceptMultipartOptions bool

	// BatchOptions says whose providerOptions a batch's items are paid by. Which
	// of them the real gateway reads is not known. Empty: the item's own, else
	// the root's. "items": the item's own alone. "root": the root's alone.
	BatchOptions string

	// CompressSockets agrees to permessage-deflate on WebSockets if a client
	// offers it.
	CompressSockets bool

	// NoMetadata leaves the routing metadata out of every reply.
	NoMetadata bool

	// OldAttempts reports attempts in the older list alone, as gateways did
	// before modelAttempts.
	OldAttempts bool

	// OtherSpelling writes providerMetadata where a surface has
	// provider_metadata, and the other way round.
	OtherSpelling bool

	// KeyBudgets says for a gateway key how many calls the platform pays for.
	// It is checked before a call, as the real one is; once that many were paid,
	// every call on the key gets 402 quota_for_entity_exceeded, also those that an
	// owner would pay for. ResetLedger does not reset it.
	KeyBudgets map[string]int

	Latency       time.Duration // before the first byte of an answer
	TokenInterval time.Duration // before each streamed token
	Tokens        int           // words in an answer; 0: as many as it takes
	Timeout       time.Duration // of an attempt that hangs; 0: 30 s

	// Fault decides what goes wrong with the n-th request (from 1). It is
	// called after the body has been read; it must not read the body.
	Fault func(r *http.Request, n int) Fault

	// Observe receives every request as it arrived, before it is judged, and
	// every message of a WebSocket, as one with the method MESSAGE.
	// It is called concurrently.
	Observe func(Seen)
}

// VirtualModel is what the team has stored under a "vmc/" name. Its settings
// override those of the request: that is why a proxy cannot pin such a call.
type VirtualModel struct {
	Models            []string // the real models, tried in order
	Only              []string // replaces the request's only, also when empty
	ZeroDataRetention bool
}

// Seen is one request as received. Header and Body are the observer's to keep.
type Seen struct {
	Seq    int
	Method string
	Target string // as in the request line
	Proto  string
	Host   string
	Header http.Header
	Body   []byte
	Err    error // why the body ended early; nil when it came whole
}

func (c *Config) check() error {
	var errs []error
	for slug, keys := range c.ProviderKeys {
		for i, k := range keys {
			if k == "" {
				errs = append(errs, fmt.Errorf("sandbox: provider key %s#%d is empty", slug, i+1))
			}
		}
	}
	badStatus := func(s int) bool { return s != 0 && (s < 400 || s > 599) }
	for _, s := range c.KeyFailures {
		if badStatus(s) {
			errs = append(errs, fmt.Errorf("sandbox: key failure status %d: want 0 or 400-599", s))
		}
	}
	for slug, s := range c.SystemFailures {
		if badStatus(s) {
			errs = append(errs, fmt.Errorf("sandbox: system failure status %d of %s: want 0 or 400-599", s, slug))
		}
	}
	for name, v := range c.VirtualModels {
		if strings.HasPrefix(name, "vmc/") || len(v.Models) == 0 {
			errs = append(errs, fmt.Errorf("sandbox: virtual model %q: want a name without vmc/ and at least one model", name))
		}
	}
	if o := c.BatchOptions; o != "" && o != "items" && o != "root" {
		errs = append(errs, fmt.Errorf("sandbox: batch options %q: want items, root or nothing", o))
	}
	if c.Latency < 0 || c.TokenInterval < 0 || c.Timeout < 0 || c.Tokens < 0 {
		errs = append(errs, errors.New("sandbox: latency, token interval, timeout and tokens must not be negative"))
	}
	return errors.Join(errs...)
}

// Keys of DemoConfig. They open nothing but the sandbox.
const (
	DemoGatewayKey   = "vck_demo_gateway_000000000001"
	DemoOpenAIKey    = "sk-demo-openai-good-000000000001"
	DemoOpenAIKey2   = "sk-demo-openai-good-000000000002" // to rotate to
	DemoAnthropicKey = "sk-ant-demo-anthropic-good-000000000001"
	DemoRevokedKey   = "sk-demo-openai-revoked-00000000001"
	DemoQuotaKey     = "sk-demo-openai-quota-0000000000001"
)

// DemoConfig is a gateway to try things on: two good keys for each of the
// eight main providers ("sk-demo-<slug>-good-000000000001" and ...2), a
// revoked and a rate-limited one for OpenAI, and replies at reading speed.
func DemoConfig() Config {
	keys := map[string][]string{"anthropic": {DemoAnthropicKey, "sk-ant-demo-anthropic-good-000000000002"}}
	for _, slug := range []string{"openai", "google", "mistral", "xai", "deepseek", "perplexity", "cohere"} {
		keys[slug] = []string{"sk-demo-" + slug + "-good-000000000001", "sk-demo-" + slug + "-good-000000000002"}
	}
	return Config{
		GatewayKeys:   []string{DemoGatewayKey},
		ProviderKeys:  keys,
		KeyFailures:   map[string]int{DemoRevokedKey: 401, DemoQuotaKey: 429},
		VirtualModels: map[string]VirtualModel{"demo": {Models: []string{"openai/gpt-5.4-mini"}}},
		Latency:       30 * time.Millisecond,
		TokenInterval: 25 * time.Millisecond,
	}
}

// clone keeps later changes to the caller's maps out of a running gateway.
func (c Config) clone() Config {
	c.SystemFailures = maps.Clone(c.SystemFailures)
	c.KeyBudgets = maps.Clone(c.KeyBudgets)
	c.VirtualModels = maps.Clone(c.VirtualModels)
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	return c
}

// Package sandbox has stand-ins for what the proxy talks to: Gateway for an AI
// gateway, KMS for AWS KMS. They speak the real protocols over HTTP. They are
// for demonstrations, for tests, and for anybody who wants to see the proxy
// work without an account.
//
// Gateway decides as the real one does whose credential pays for a call, and
// shows on request who paid for what. It behaves as the published facts about
// the Vercel AI Gateway say: an owner's key in providerOptions.gateway.byok is
// tried first; when it fails, the platform's credential is tried and billed,
// whether anybody wants that or not. With Config.HeaderGateway it takes the
// owner's key in the provider's own header instead, as Cloudflare's, Portkey's
// and Helicone's gateways do.
//
// KMS encrypts and decrypts, for real, with keys that it makes; it fails on
// request, and counts its calls.
//
// The rule of use: they judge the proxy, so they share nothing with it. They
// read HTTP with net/http and JSON with encoding/json, and Gateway finds a
// model's provider by its own rules.
//
// The danger: they hold keys in the clear, and trust whoever can connect. Give
// them invented keys only, and do not expose them. The gateway's ledger and
// replies never contain a key, except by FaultEchoKey; the KMS shows a plaintext
// only as the reply to the call that asked for it.
//
// Besides the surfaces of the gateway there are (the KMS has its own, see there)
//
//	GET    /sandbox/health
//	GET    /sandbox/ledger    who paid for what, as JSON
//	DELETE /sandbox/ledger    forget it
//	ANY    /sandbox/providers/{slug}    is this key good? In the provider's place
package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// maxBody bounds a request body; the real gateway's limit is lower.
const maxBody = 100 << 20

// Gateway is the stand-in. It is an http.Handler and safe for concurrent use.
type Gateway struct {
	config  Config
	keys    atomic.Pointer[keyTable]
	seq     atomic.Int64
	ledger  ledger
	batches batchStore
	budgets budgets
}

// NewGateway checks the config, all problems at once, and makes a gateway of it.
func NewGateway(c Config) (*Gateway, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	g := &Gateway{config: c.clone()}
	g.SetKeys(c.ProviderKeys, c.KeyFailures)
	return g, nil
}

// SetKeys replaces the keys that providers accept and the ways in which keys
// fail, as a rotation does. Calls under way finish with the keys they began
// with. The maps are copied.
func (g *Gateway) SetKeys(keys map[string][]string, failures map[string]int) {
	g.keys.Store(newKeyTable(keys, failures))
}

// Ledger is a copy of all entries, in the order in which the calls were decided.
// An entry is there before the first byte of its reply is sent.
func (g *Gateway) Ledger() []Entry { return g.ledger.all() }

// ResetLedger forgets all entries. Sequence numbers go on.
func (g *Gateway) ResetLedger() { g.ledger.reset() }

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sandbox/") {
		g.control(w, r)
		return
	}
	seq := int(g.seq.Add(1))
	c := &call{g: g, w: w, r: r, seq: seq, id: fmt.Sprintf("gen_%026d", seq), started: time.Now()}
	err := c.read()
	if err == nil && g.config.Fault != nil {
		c.fault = g.config.Fault(r, seq)
	}
	found := c.find()
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		c.fail(refuse(http.StatusRequestEntityTooLarge, "invalid_request_error", "the request body is too large"))
		return
	}
	if err != nil {
		c.fail(badRequest("the request body could not be read"))
		return
	}
	if c.fault.early(c) {
		return
	}
	if !found {
		c.fail(refuse(http.StatusNotFound, "not_found", "no such path: "+r.Method+" "+r.URL.Path))
		return
	}
	if (c.fault.Kind == FaultCut || c.fault.Kind == FaultStall) && r.Header.Get("Upgrade") == "" {
		c.w = &faultWriter{ResponseWriter: w, ctx: r.Context(), timeout: g.config.Timeout, fault: c.fault}
	}
	if c.fault.Kind == FaultEncode {
		e := newEncoder(w, c.fault.Type)
		c.w = e
		defer e.close()
	}
	if e := c.judge(); e != nil {
		c.fail(e)
	}
}

// control serves the paths that the real gateway does not have.
func (g *Gateway) control(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sandbox/providers/") {
		g.checkKey(w, r)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /sandbox/health":
		writeJSON(w, http.StatusOK, object{"status": "ok"})
	case "GET /sandbox/ledger":
		writeJSON(w, http.StatusOK, g.Ledger())
	case "DELETE /sandbox/ledger":
		g.ResetLedger()
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusNotFound, object{"error": "the sandbox has /sandbox/health, /sandbox/ledger and /sandbox/providers/{slug}"})
	}
}

// read takes in the whole body and shows the request to the observer.
func (c *call) read() error {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	c.body = body
	if c.g.config.Observe != nil {
		c.g.config.Observe(Seen{
			Seq: c.seq, Method: c.r.Method, Target: c.r.RequestURI, Proto: c.r.Proto, Host: c.r.Host,
			Header: c.r.Header.Clone(), Body: slices.Clone(body), Err: err,
		})
	}
	return err
}

// authenticate checks the gateway's own credential.
func (c *call) authenticate() *apiError {
	h := c.r.Header
	if len(h["Authorization"]) > 1 || len(h["X-Api-Key"]) > 1 {
		return badRequest("a credential header is sent twice")
	}
	var key string
	switch {
	case c.g.config.HeaderGateway != "":
		key = bearer(h.Get(c.g.config.HeaderGateway))
	case h.Get("Authorization") != "":
		key = bearer(h.Get("Authorization"))
	case h.Get("X-Api-Key") != "":
		key = h.Get("X-Api-Key")
	case h.Get("Upgrade") != "":
		key = protocolToken(h)
	case c.route.shape == geminiShape:
		key = h.Get("X-Goog-Api-Key")
	}
	if key == "" || (len(c.g.config.GatewayKeys) > 0 && !slices.Contains(c.g.config.GatewayKeys, key)) {
		return refuse(http.StatusUnauthorized, "", "the gateway key is missing or wrong")
	}
	c.gatewayKey = key
	return c.spent()
}

// bearer is the token of a Bearer credential, or a bare value as it is.
func bearer(v string) string {
	if scheme, token, ok := strings.Cut(v, " "); ok {
		if !strings.EqualFold(scheme, "bearer") {
			return ""
		}
		return token
	}
	return v
}

package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// Tags of the matrix's requests, which every upstream gets to see.
const (
	tagHeader    = "X-Cell"
	cutHeader    = "X-Cut" // break off behind so many events
	streamHeader = "X-Stream"
)

// A came is a request as a provider or an owner's endpoint received it.
type came struct {
	at   station
	slug string
	text string // all of it
}

// elsewhere stands for all providers and all owners' endpoints. It answers as
// the key that it is shown would be answered.
type elsewhere struct {
	url    string
	states map[string]*keyState

	mu   sync.Mutex
	came map[string][]came // by tag
}

func newElsewhere(t testing.TB) *elsewhere {
	t.Helper()
	e := &elsewhere{states: map[string]*keyState{}, came: map[string][]came{}}
	for i := range keyStates {
		for _, slug := range append(words(keyStates[i].owns), ownSlug) {
			e.states[keyStates[i].key(slug)] = &keyStates[i]
		}
	}
	server := httptest.NewServer(e)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	e.url = server.URL
	return e
}

// base is DirectConfig.BaseURL.
func (e *elsewhere) base(s provider.Slug, real string) string {
	u, err := url.Parse(real)
	if err != nil {
		return "not a URL"
	}
	return e.url + "/provider/" + string(s) + u.EscapedPath()
}

func (e *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c := came{at: toEndpoint, slug: ownSlug, text: requestText(r.Method, r.RequestURI, r.Header, body)}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/provider/"); ok {
		c.at = toProvider
		c.slug, _, _ = strings.Cut(rest, "/")
	}
	e.mu.Lock()
	tag := r.Header.Get(tagHeader)
	e.came[tag] = append(e.came[tag], c)
	e.mu.Unlock()
	state := &keyState{status: 599}
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
		if s := e.states[strings.TrimPrefix(r.Header.Get(name), "Bearer ")]; s != nil {
			state = s
		}
	}
	e.answer(w, r, state)
}

func (e *elsewhere) answer(w http.ResponseWriter, r *http.Request, state *keyState) {
	switch {
	case state.status == 0:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case r.Header.Get(streamHeader) != "" && state.status == 200:
		w.Header().Set("Content-Type", "text/event-stream")
	default:
		w.Header().Set("Content-Type", "application/json")
	}
	const body = `{"object":"an answer"}`
	if state.cut {
		w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
	}
	w.WriteHeader(state.status)
	io.WriteString(w, body)
	if state.cut {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// take returns what has come under a tag. If some is awaited, the request may
// be on its way still: its sender did not wait for an answer.
func (e *elsewhere) take(tag string, awaited bool) []came {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		e.mu.Lock()
		list := e.came[tag]
		delete(e.came, tag)
		e.mu.Unlock()
		if len(list) > 0 || !awaited || time.Now().After(deadline) {
			return list
		}
	}
}

func requestText(method, target string, header http.Header, body []byte) string {
	var b strings.Builder
	b.WriteString(method + " " + target + "\n")
	header.Write(&b)
	b.Write(body)
	return b.String()
}

// A place is what a world of the matrix is made for.
type worldKind struct {
	dialect, way string
	impatient    bool // with those that never answer
	guard        string
}

func (k worldKind) String() string {
	s := k.dialect + ", " + k.way
	if k.impatient {
		s += ", impatient"
	}
	return s
}

const matrixAuthHeader = "cf-aig-authorization"

// newMatrixWorld starts a sidecar and a gateway for cells of one kind.
func newMatrixWorld(t testing.TB, kind worldKind, cache *credstore.Cache, e *elsewhere) *world {
	t.Helper()
	w := &world{t: t, cfg: testConfig(), log: &logBuffer{}, cache: cache}
	box := sandbox.Config{
		GatewayKeys: []string{gatewayCanary, fuseCanary}, ProviderKeys: map[string][]string{}, KeyFailures: map[string]int{},
		VirtualModels: map[string]sandbox.VirtualModel{"demo": {Models: []string{gptModel}}},
		Timeout:       time.Millisecond, Observe: w.observe,
		Fault: func(r *http.Request, _ int) sandbox.Fault {
			if n, err := strconv.Atoi(r.Header.Get(cutHeader)); err == nil {
				return sandbox.Fault{Kind: sandbox.FaultCut, After: n}
			}
			return sandbox.Fault{}
		},
	}
	for _, s := range keyStates {
		for _, slug := range words(s.owns) {
			box.ProviderKeys[slug] = append(box.ProviderKeys[slug], s.key(slug))
			if s.status != 200 {
				box.KeyFailures[s.key(slug)] = s.status
			}
		}
	}
	for slug := range box.ProviderKeys {
		box.ProviderKeys[slug] = append(box.ProviderKeys[slug], broughtCanary)
	}
	c := &w.cfg
	c.Identity = IdentityConfig{Mode: ModeHeader}
	c.Gateway.OwnerTrafficKey = secret(fuseCanary)
	c.BYOI.Allow = []string{"127.0.0.1"}
	c.Direct.BaseURL = e.base
	if kind.guard != "" {
		c.BYOK.Guard = kind.guard
	}
	if kind.dialect == DialectHeader {
		c.Gateway.Dialect, c.Gateway.AuthHeader, box.HeaderGateway = DialectHeader, matrixAuthHeader, matrixAuthHeader
	}
	if kind.way == "direct" {
		c.BYOK.Route = ViaDirect
	}
	if kind.impatient {
		c.Timeouts.HeaderWait = 20 * time.Millisecond
	}
	var err error
	w.gateway, err = sandbox.NewGateway(box)
	must(t, err)
	server, err := w.gateway.Start("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { server.Close() })
	c.Gateway.URL = server.URL()
	w.start(cache)
	return w
}

// payerOf reads the ledger's entries of one call.
func payerOf(entries []sandbox.Entry, owners bool) string {
	payer := unpaid
	for _, e := range entries {
		one := unpaid
		switch {
		case e.Credential == sandbox.System && owners:
			one = platformLeaks
		case e.Credential == sandbox.System:
			one = platformPays
		case e.Credential == sandbox.BYOK && e.KeyID == fmt.Sprintf("%s#%d", e.Provider, len(keysOf(e.Provider))+1):
			one = callerPays
		case e.Credential == sandbox.BYOK:
			one = ownerPays
		}
		if one != unpaid && payer != unpaid {
			return "paid twice"
		}
		if one != unpaid {
			payer = one
		}
	}
	return payer
}

// keysOf are the keys that states have for a provider.
func keysOf(slug string) (keys []string) {
	for _, s := range keyStates {
		for _, own := range words(s.owns) {
			if own == slug {
				keys = append(keys, s.key(slug))
			}
		}
	}
	return keys
}

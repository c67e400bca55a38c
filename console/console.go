// Package console answers one question: how do owners and operators see and
// change what is stored for a chatbot, from a browser or a program?
//
// It is the HTTP API under /api/v1, described by the OpenAPI document that it
// serves, and the web page that is a client of it. An owner sees the chatbots of
// one account, an operator all. The records and their encryption are credstore's
// affair, as is the trail of who changed what; the providers are asked by
// provider's Checker.
//
// The rule of use: New makes an http.Handler; serve it on loopback, or behind
// something that speaks TLS. Without a secret or public keys for tokens, the
// only way in is the one-time link of SignInLink.
//
// The danger: keys come in here in plain text. They are Secrets from the moment
// they are read, nothing answers with one, and no log line is made of a body, a
// query or a header. Whoever adds an answer must build it of credstore's Info
// types, which hold no secret.
package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// Config says what the console works on.
type Config struct {
	Owner     *credstore.Owner     // the write side of the store
	Directory *credstore.Directory // the lists of chatbots
	Checker   *provider.Checker    // asks providers about keys; nil: the real ones
	// Decrypts tells that this process may open stored keys. Without that,
	// everything but the test of a stored key works. It is asked for every
	// answer that says so; nil: it may.
	Decrypts func() bool

	TokenSecret credstore.Secret // of HS256; empty: no such tokens
	TokenKeys   []PublicKey      // of EdDSA and RS256

	Notify      []string      // base URLs of sidecars' admin listeners
	InUseWithin time.Duration // when a change is in use that no sidecar was told of

	Page http.Handler // the web page, at all other addresses; nil: there is none
	Log  zerolog.Logger
}

// A Console is the API and the page. It is safe for concurrent use.
type Console struct {
	cfg      Config
	checker  *provider.Checker
	verifier *verifier
	sessions *sessions
	link     *oneTimeLink
	limits   *limits
	notifier *notifier
	handler  http.Handler
	panics   atomic.Uint64
}

// New returns a Console. It starts nothing.
func New(cfg Config) (*Console, error) {
	if cfg.Owner == nil || cfg.Directory == nil {
		return nil, errors.New("the console needs an Owner and a Directory")
	}
	n, err := newNotifier(cfg.Notify, cfg.Log)
	if err != nil {
		return nil, err
	}
	if cfg.InUseWithin <= 0 {
		cfg.InUseWithin = 5 * time.Minute
	}
	if cfg.Decrypts == nil {
		cfg.Decrypts = func() bool { return true }
	}
	c := &Console{cfg: cfg, checker: cfg.Checker, notifier: n, limits: newLimits(),
		verifier: newVerifier(cfg.TokenSecret, cfg.TokenKeys), sessions: newSessions(), link: &oneTimeLink{}}
	if c.checker == nil {
		c.checker = &provider.Checker{}
	}
	// CrossOriginProtection refuses what Sec-Fetch-Site or Origin shows to come
	// from another site. It is the first of three against forged requests; the
	// others are the cookie's SameSite and the X-CSRF-Token.
	protect := http.NewCrossOriginProtection()
	protect.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sendProblem(w, refuse(http.StatusForbidden, "cross_origin", "this request comes from another site's page"))
	}))
	c.handler = protect.Handler(c.mux())
	return c, nil
}

// mux binds the routes. One handler for each path, so that a wrong method is
// answered in the API's own form.
func (c *Console) mux() *http.ServeMux {
	mux := http.NewServeMux()
	byPath := map[string]map[string]*route{}
	for _, rt := range routes() {
		if byPath[rt.path] == nil {
			byPath[rt.path] = map[string]*route{}
		}
		byPath[rt.path][rt.method] = rt
	}
	for path, methods := range byPath {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { c.dispatch(w, r, methods) })
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		sendProblem(w, refuse(http.StatusNotFound, "no_such_address", "there is nothing at this address; /api/v1/openapi.json lists what there is"))
	})
	mux.HandleFunc("GET /sign-in", c.signIn)
	if c.cfg.Page != nil {
		mux.Handle("/", c.cfg.Page)
	}
	return mux
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			c.panics.Add(1)
			// The value is not logged: it may hold what was being read.
			c.cfg.Log.Error().Str("type", fmt.Sprintf("%T", p)).Bytes("stack", debug.Stack()).
				Str("remedy", "only this call is lost; please report the line, which holds no data of it").Msg("BUG: the console panicked")
			sendProblem(w, refuse(http.StatusInternalServerError, "internal", "something went wrong in sidekey; its log says more"))
		}
	}()
	c.handler.ServeHTTP(w, r)
}

// setHeaders are those of every answer of the API: nobody keeps it, and no
// browser takes it for a page.
func setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Authorization, Cookie")
}

// dispatch finds the route, and says which methods there are if there is none.
func (c *Console) dispatch(w http.ResponseWriter, r *http.Request, methods map[string]*route) {
	setHeaders(w.Header())
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	rt := methods[method]
	if rt == nil {
		w.Header().Set("Allow", allowed(methods))
		sendProblem(w, refuse(http.StatusMethodNotAllowed, "method_not_allowed", "this address has the methods "+allowed(methods)))
		return
	}
	began := time.Now()
	k := &call{c: c, r: r, w: w}
	out, err := k.run(rt)
	status := 0
	if err != nil {
		p := problemOf(err)
		status = p.Status
		if p.Status >= 500 {
			c.cfg.Log.Error().Err(err).Str("method", method).Str("route", rt.path).
				Str("remedy", "look at what the error names; if that is the store, sidekey store status --owner checks each permission").Msg("a call of the console failed")
		}
		sendProblem(w, p)
	} else {
		status = out.send(w)
	}
	event := c.cfg.Log.Debug()
	if rt.changes {
		event = c.cfg.Log.Info()
	}
	if k.who != nil {
		event = event.Str("actor", k.who.name).Str("role", k.who.role).Str("account", k.who.account)
	}
	event.Str("method", method).Str("route", rt.path).Str("chatbot", k.chatbotID()).Int("status", status).Dur("took", time.Since(began)).Msg("console")
}

// run lets a call pass all that stands before its handler.
func (k *call) run(rt *route) (*reply, error) {
	if !rt.public {
		if err := k.authenticate(); err != nil {
			return nil, err
		}
	}
	if rt.changes {
		if err := k.checkForgery(); err != nil {
			return nil, err
		}
	}
	return rt.handle(k)
}

// Decrypts reports whether stored keys can be opened.
func (c *Console) decrypts() bool { return c.cfg.Decrypts() }

// inUse tells the sidecars of a change, and whoever made it when it is in use.
func (c *Console) inUse(ctx context.Context, chatbot string) *inUse {
	u := &inUse{Within: int(c.cfg.InUseWithin.Round(time.Second) / time.Second)}
	if u.Now = c.notifier.tell(context.WithoutCancel(ctx), chatbot); u.Now {
		u.Within = 0
	}
	return u
}

// allowed lists methods, sorted.
func allowed(methods map[string]*route) string {
	var names []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if methods[m] != nil || m == "HEAD" && methods["GET"] != nil {
			names = append(names, m)
		}
	}
	return strings.Join(names, ", ")
}

package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// Limits of the tokens that are kept.
const (
	maxTokens       = 10_000           // service accounts
	exchangeTime    = 10 * time.Second // for one exchange
	exchangePause   = 10 * time.Second // after a failed one, while the old token still serves
	rejectionPause  = 30 * time.Second // for which a rejected key is not tried again
	tokenMargin     = 30 * time.Second // before its end a token is not used any more
	refreshFraction = 5                // a fifth of its life before, a new one is fetched
)

// tokens keeps the access tokens that were made of owners' service accounts.
//
// A token belongs to a chatbot and a credential, known by its hash and not by
// its version alone: a record that was deleted for good and written anew begins
// again at version 1, and must not find its predecessor's token. The credential
// itself is not kept, so a token is of use only to somebody who has it again
// from the store, for every call.
//
// There is one exchange at a time for each, however many wait, under a deadline
// of its own. From four fifths of a token's life on a use fetches the next one
// in the background, so a busy chatbot never waits.
type tokens struct {
	base   context.Context
	client *http.Client
	grant  func(ctx context.Context, endpoint string, account credstore.Secret) (provider.Grant, error)

	mu      sync.Mutex // guards what follows, and what is in the entries
	held    map[tokenKey]*tokenEntry
	running sync.WaitGroup // exchanges
	ending  bool
}

type tokenKey struct {
	chatbot string
	sum     [sha256.Size]byte
}

// A tokenEntry is what is known of one service account.
type tokenEntry struct {
	url      string // where its models are called
	token    credstore.Secret
	end      time.Time // the token is not used from then on
	refresh  time.Time // and from then on a use fetches the next one
	rejected error     // why the key is not tried again before retry
	retry    time.Time
	flight   *exchanging // nil if none is under way
}

// An exchanging is one exchange that is under way. Token and err are set when
// done is closed.
type exchanging struct {
	done  chan struct{}
	token credstore.Secret
	err   error
}

func (t *tokens) init(base context.Context) {
	t.base, t.held, t.grant = base, map[tokenKey]*tokenEntry{}, t.ask
	t.client = &http.Client{
		// No proxy of the environment's, as for the calls themselves.
		Transport:     &http.Transport{TLSHandshakeTimeout: exchangeTime, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// wait returns when no exchange is under way any more. None begins later. The
// caller has ended base.
func (t *tokens) wait() {
	t.mu.Lock()
	t.ending = true
	t.mu.Unlock()
	t.running.Wait()
	t.client.CloseIdleConnections()
}

// ask makes one exchange.
func (t *tokens) ask(ctx context.Context, endpoint string, account credstore.Secret) (provider.Grant, error) {
	return provider.GrantVertex(ctx, t.client, endpoint, account.Reveal())
}

var errEnding = errors.New("the sidecar is shutting down")

// get returns a token for a service account, and where its models are called.
// Errors are those of provider.GrantVertex.
func (t *tokens) get(chatbot string, account credstore.Secret, endpoint string) (url string, token credstore.Secret, err error) {
	key := tokenKey{chatbot, sha256.Sum256(account.Reveal())}
	t.mu.Lock()
	e := t.held[key]
	if e == nil {
		t.mu.Unlock()
		// Checks the private key, which takes long enough to be done once.
		if url, err = provider.VertexURL(account.Reveal()); err != nil {
			return "", token, err
		}
		t.mu.Lock()
		if e = t.held[key]; e == nil {
			t.makeRoom()
			e = &tokenEntry{url: url}
			t.held[key] = e
		}
	}
	now := time.Now()
	usable := now.Before(e.end)
	switch {
	case usable && now.Before(e.refresh):
		defer t.mu.Unlock()
		return e.url, e.token, nil
	case e.rejected != nil && now.Before(e.retry):
		defer t.mu.Unlock()
		return "", token, e.rejected
	}
	flight := e.flight
	if flight == nil && !t.ending {
		flight = &exchanging{done: make(chan struct{})}
		e.flight = flight
		t.running.Go(func() { t.exchange(e, flight, endpoint, account) }) // ends with base or exchangeTime
	}
	url, token = e.url, e.token
	t.mu.Unlock()
	switch {
	case usable:
		return url, token, nil
	case flight == nil:
		return "", credstore.Secret{}, errEnding
	}
	<-flight.done
	return url, flight.token, flight.err
}

// exchange fetches the next token of an entry.
func (t *tokens) exchange(e *tokenEntry, flight *exchanging, endpoint string, account credstore.Secret) {
	ctx, cancel := context.WithTimeout(t.base, exchangeTime)
	defer cancel()
	asked := time.Now()
	g, err := t.grant(ctx, endpoint, account)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(flight.done)
	e.flight = nil
	var said *provider.GrantError
	switch {
	case err == nil:
		flight.token = credstore.NewSecret(g.Token)
		clear(g.Token)
		e.token, e.rejected = flight.token, nil
		e.end = asked.Add(g.Life - min(g.Life/10, tokenMargin))
		e.refresh = asked.Add(g.Life - g.Life/refreshFraction)
	case errors.As(err, &said) && said.KeyAtFault:
		// What Google has withdrawn is out of use at once, token and all.
		e.token, e.end = credstore.Secret{}, time.Time{}
		e.rejected, e.retry = err, time.Now().Add(rejectionPause)
		flight.err = err
	default:
		e.refresh = time.Now().Add(exchangePause)
		flight.err = err
	}
}

// makeRoom keeps held within its bound: what has ended goes first, else any
// one. The caller holds mu.
func (t *tokens) makeRoom() {
	if len(t.held) < maxTokens {
		return
	}
	now := time.Now()
	for key, e := range t.held {
		if e.flight == nil && now.After(e.end) && now.After(e.retry) {
			delete(t.held, key)
		}
	}
	for key := range t.held {
		if len(t.held) < maxTokens {
			return
		}
		delete(t.held, key)
	}
}

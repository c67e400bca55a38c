package proxy

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// A mint is a token endpoint without sockets, for tests on a clock of their own.
type mint struct {
	calls int
	delay time.Duration
	err   error
}

func (m *mint) grant(ctx context.Context, _ string, _ credstore.Secret) (provider.Grant, error) {
	m.calls++
	n, err := m.calls, m.err
	select {
	case <-time.After(m.delay):
	case <-ctx.Done():
		return provider.Grant{}, ctx.Err()
	}
	return provider.Grant{Token: fmt.Appendf(nil, "CANARY-token-%d", n), Life: time.Hour}, err
}

// inBubble runs f with tokens whose exchanges are m's, on a fake clock.
func inBubble(t *testing.T, f func(t *testing.T, m *mint, get func() (string, error))) {
	account := secret(vertexKey(t, 0, "")) // not in the bubble: making keys takes long
	synctest.Test(t, func(t *testing.T) {
		base, end := context.WithCancel(context.Background())
		var ts tokens
		m := &mint{}
		ts.init(base)
		ts.grant = m.grant
		defer ts.wait()
		defer end()
		f(t, m, func() (string, error) {
			_, token, err := ts.get("shop", account, "")
			return string(token.Reveal()), err
		})
	})
}

func wantToken(t *testing.T, get func() (string, error), n int) {
	t.Helper()
	if got, err := get(); err != nil || got != fmt.Sprintf("CANARY-token-%d", n) {
		t.Errorf("got another token than the %d. (%v)", n, err)
	}
}

// From four fifths of its life on a token is replaced in the background: no
// use waits, and there is one exchange.
func TestTokensAreRefreshedAhead(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mint, get func() (string, error)) {
		m.delay = time.Second
		wantToken(t, get, 1)
		time.Sleep(48*time.Minute - 2*time.Second)
		wantToken(t, get, 1)
		synctest.Wait()
		if m.calls != 1 {
			t.Errorf("%d exchanges before four fifths of the life, want 1", m.calls)
		}
		time.Sleep(2 * time.Second)
		for range 50 {
			began := time.Now()
			wantToken(t, get, 1)
			if time.Since(began) != 0 {
				t.Error("a use waited for the refresh")
			}
		}
		time.Sleep(2 * time.Second)
		wantToken(t, get, 2)
		if m.calls != 2 {
			t.Errorf("%d exchanges, want 2", m.calls)
		}
		// Idle for long: the token has ended and is not used.
		time.Sleep(2 * time.Hour)
		wantToken(t, get, 3)
	})
}

// A refresh that fails is tried again after a pause, while the token serves. A
// token that has ended never does.
func TestAFailedRefreshKeepsTheTokenToItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mint, get func() (string, error)) {
		wantToken(t, get, 1)
		m.err = errors.New("unreachable")
		time.Sleep(50 * time.Minute)
		for range 60 {
			wantToken(t, get, 1)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		if m.calls < 2 || m.calls > 8 {
			t.Errorf("%d exchanges in a minute, want one each %v", m.calls-1, exchangePause)
		}
		time.Sleep(10 * time.Minute)
		if _, err := get(); !errors.Is(err, m.err) {
			t.Errorf("a token that has ended was used, or the error is another: %v", err)
		}
	})
}

// A key that Google rejects is out of use at once, its token too, and is not
// tried for a while.
func TestARejectedKeyLosesItsToken(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mint, get func() (string, error)) {
		wantToken(t, get, 1)
		m.err = &provider.GrantError{Status: 400, Code: "invalid_grant", KeyAtFault: true}
		time.Sleep(50 * time.Minute)
		wantToken(t, get, 1) // nobody knows yet
		synctest.Wait()
		for range 20 {
			if _, err := get(); !errors.Is(err, m.err) {
				t.Errorf("got %v, want the rejection", err)
			}
		}
		if m.calls != 2 {
			t.Errorf("%d exchanges, want 2", m.calls)
		}
		m.err = nil
		time.Sleep(rejectionPause + time.Second)
		wantToken(t, get, 3)
	})
}

// An exchange has its own deadline, and those who wait for it get the same end.
func TestAnExchangeEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mint, get func() (string, error)) {
		m.delay = time.Hour
		errs := make(chan error)
		began := time.Now()
		for range 10 {
			go func() { _, err := get(); errs <- err }()
		}
		for range 10 {
			if err := <-errs; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
		}
		if took := time.Since(began); took != exchangeTime || m.calls != 1 {
			t.Errorf("took %v and %d exchanges, want %v and 1", took, m.calls, exchangeTime)
		}
		if r := (&exchange{}).noToken(context.DeadlineExceeded); r.code != codeUpstreamTimeout {
			t.Errorf("the client reads %s", r.code)
		}
	})
}

// However many accounts there are, a bounded number of tokens is kept, and what
// has ended goes first.
func TestTokensAreBounded(t *testing.T) {
	var ts tokens
	ts.init(t.Context())
	live := &tokenEntry{end: time.Now().Add(time.Hour)}
	ts.held[tokenKey{chatbot: "live"}] = live
	for i := range maxTokens - 1 {
		ts.held[tokenKey{chatbot: fmt.Sprint(i)}] = &tokenEntry{}
	}
	ts.makeRoom()
	if len(ts.held) != 1 || ts.held[tokenKey{chatbot: "live"}] != live {
		t.Errorf("%d are left, want the one that serves", len(ts.held))
	}
	for i := range maxTokens {
		ts.held[tokenKey{chatbot: fmt.Sprint(i)}] = live
	}
	ts.makeRoom()
	if len(ts.held) != maxTokens-1 {
		t.Errorf("%d are left, want room for one", len(ts.held))
	}
}

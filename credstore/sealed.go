package credstore

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// An opener opens ciphertexts on behalf of all keyrings of a Cache.
type opener struct {
	cipher  Cipher
	table   string
	recheck time.Duration // how long an opened secret may be used
	stale   time.Duration // how much longer while the cipher is unreachable
	timeout time.Duration // for one decryption
	life    *lifetime
	count   *counters
	onError func(chatbot string, err error)
}

// A sealed secret is opened when it is first asked for, once however many ask,
// and remembered. It lives on in the next keyring while the store has the same
// ciphertext, see reuse.
type sealed struct {
	by            *opener
	chatbot, item string
	version       int64
	ciphertext    []byte

	open atomic.Pointer[opened] // nil: not opened yet, or refused

	mu   sync.Mutex // guards the rest; a hit does not take it
	call *opening   // in flight, or nil
	last opening    // how the last failed call ended
	span span       // when it may be called again, while open is nil
}

// opened is a decrypted secret, and for how long it is good.
type opened struct {
	secret Secret
	span
}

// An opening is one decryption in flight. The results are there once done is closed.
type opening struct {
	done   chan struct{}
	secret Secret
	err    error
}

// sameAs reports whether a stored ciphertext is what s was made of.
func (s *sealed) sameAs(version int64, ciphertext []byte) bool {
	return s != nil && s.version == version && bytes.Equal(s.ciphertext, ciphertext)
}

// secret returns the decrypted secret, as of now. Hot path: the first two cases
// do not allocate and take no lock.
func (s *sealed) secret(ctx context.Context, now time.Time) (Secret, error) {
	if o := s.open.Load(); o != nil {
		if now.Before(o.refreshAt) {
			return o.secret, nil
		}
		if now.Before(o.waitAt) {
			s.start(o)
			s.note(o, now)
			return o.secret, nil
		}
	}
	call, err := s.join()
	if call == nil {
		return Secret{}, err
	}
	select {
	case <-call.done:
		return call.secret, call.err
	case <-ctx.Done():
		return Secret{}, unavailable(ctx.Err())
	}
}

// prepare begins an opening if there is nothing that may be used, so that the
// secrets of several slots are opened side by side. Whoever then asks for the
// secret finds that opening, or its end.
func (s *sealed) prepare(now time.Time) {
	if o := s.open.Load(); o == nil || !now.Before(o.waitAt) {
		s.join()
	}
}

// start begins an opening in the background unless there is one.
func (s *sealed) start(seen *opened) {
	if !s.mu.TryLock() {
		return // somebody else is about to
	}
	defer s.mu.Unlock()
	if s.call == nil && s.open.Load() == seen {
		s.begin()
	}
}

// join returns the opening in flight, or a new one. If the last one failed a
// moment ago it returns nil and that error.
func (s *sealed) join() (*opening, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.call != nil {
		return s.call, nil
	}
	now := time.Now()
	if o := s.open.Load(); o != nil && now.Before(o.waitAt) {
		return &opening{done: closedChan, secret: o.secret}, nil // opened since we looked
	} else if o == nil && s.last.err != nil && now.Before(s.span.refreshAt) {
		return nil, s.last.err
	}
	return s.begin(), nil
}

// closedChan is done from the start.
var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// begin starts an opening. The caller holds mu.
func (s *sealed) begin() *opening {
	call := &opening{done: make(chan struct{})}
	if !s.by.life.begin() {
		call.err = unavailable(errClosed)
		close(call.done)
		return call
	}
	s.call = call
	go func() { // ends by the deadline in decrypt; Close waits for it
		defer s.by.life.wg.Done()
		s.settle(call)
	}()
	return call
}

// settle decrypts and publishes the result.
func (s *sealed) settle(call *opening) {
	began := time.Now()
	secret, err := s.by.decrypt(s.chatbot, s.item, s.ciphertext)

	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(call.done)
	s.call = nil
	if err == nil {
		call.secret = secret
		s.last, s.span = opening{}, span{}
		s.open.Store(&opened{secret, freshSpan(began, s.by.recheck, s.by.recheck+s.by.stale)})
		return
	}
	now := time.Now()
	if old := s.open.Load(); old != nil && isOutage(err) && now.Before(old.useUntil) {
		next := &opened{old.secret, old.failed(now, longestPause, s.by.timeout)}
		s.open.Store(next)
		s.note(next, now)
		call.secret = next.secret
		return
	}
	s.open.Store(nil)
	s.span.useUntil = now.Add(rememberFailure)
	s.span = s.span.failed(now, coldPause, 0)
	call.err = unavailable(fmt.Errorf("%s of chatbot %s: %w", s.item, s.chatbot, err))
	s.last.err = call.err
}

// note counts a use beyond the time for which the secret was good.
func (s *sealed) note(o *opened, now time.Time) {
	if !now.Before(o.freshUntil) {
		s.by.count.staleSecrets.Add(1)
	}
}

// decrypt runs one decryption under its own deadline: callers come and go.
func (o *opener) decrypt(chatbot, item string, ciphertext []byte) (Secret, error) {
	ctx, cancel := context.WithTimeout(o.life.ctx, o.timeout)
	defer cancel()
	o.count.decrypts.Add(1)
	plain, err := o.cipher.Decrypt(ctx, ciphertext, sealContext(o.table, chatbot, item))
	if err == nil {
		defer clear(plain) // the Secret has its own copy
		return NewSecret(plain), nil
	}
	if isOutage(err) {
		o.count.decryptOutages.Add(1)
	} else {
		o.count.decryptRefusals.Add(1)
	}
	if o.onError != nil {
		o.onError(chatbot, fmt.Errorf("%s: %w", item, err))
	}
	return Secret{}, err
}

package console

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds how many callers are remembered at a time.
const maxBuckets = 10_000

// limits are the rates that keep strangers from guessing, and owners from having
// providers asked about keys in bulk.
type limits struct {
	signIn      *buckets // failed sign-ins, by address
	testChatbot *buckets // Test Key, by account and chatbot
	testAccount *buckets // Test Key, by account
}

func newLimits() *limits {
	return &limits{
		signIn:      newBuckets(3*time.Second, 20),
		testChatbot: newBuckets(6*time.Second, 10),
		testAccount: newBuckets(2*time.Second, 30),
	}
}

// buckets hold one token bucket for each caller.
type buckets struct {
	every time.Duration
	burst int

	mu   sync.Mutex
	each map[string]*rate.Limiter
}

func newBuckets(every time.Duration, burst int) *buckets {
	return &buckets{every: every, burst: burst, each: map[string]*rate.Limiter{}}
}

func (b *buckets) of(who string) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.each[who]
	if l == nil {
		b.makeRoom()
		l = rate.NewLimiter(rate.Every(b.every), b.burst)
		b.each[who] = l
	}
	return l
}

// makeRoom forgets who has not called for a while, else anybody: a tenth at
// least, so that it is seldom done.
func (b *buckets) makeRoom() {
	if len(b.each) < maxBuckets {
		return
	}
	for who, l := range b.each {
		if l.Tokens() >= float64(b.burst) {
			delete(b.each, who)
		}
	}
	for who := range b.each {
		if len(b.each) <= maxBuckets*9/10 {
			return
		}
		delete(b.each, who)
	}
}

// take takes a token, or refuses and says when there will be one.
func (b *buckets) take(who string) error {
	l := b.of(who)
	if l.Allow() {
		return nil
	}
	return b.refusal(l)
}

// left refuses if there is no token, and takes none.
func (b *buckets) left(who string) error {
	if l := b.of(who); l.Tokens() < 1 {
		return b.refusal(l)
	}
	return nil
}

func (b *buckets) refusal(l *rate.Limiter) error {
	p := refuse(http.StatusTooManyRequests, "too_many", "too many attempts; wait a little")
	p.retryAfter = max(time.Duration((1-l.Tokens())*float64(b.every)), time.Second)
	return p
}

// address is who connects, as far as guessing is concerned: an IPv6 customer has
// a /64 at least. Behind a proxy all have its address; only failures count, so
// the others can still sign in until somebody guesses.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr // a unix socket
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Sessions are for browsers: a page that held a token could have it stolen by a
// script. The cookie is a random number, of which the hash is kept here, in
// memory: a session can be ended at once, and a restart ends all.
const (
	cookieName  = "sidekey_session"
	maxSession  = 12 * time.Hour // however long the token is good
	maxSessions = 20_000
	maxPerName  = 50 // of one principal; the oldest go
)

// A session is a sign-in that lasts.
type session struct {
	who   principal
	csrf  string
	since time.Time
	id    [sha256.Size]byte
}

type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[[sha256.Size]byte]*session
}

func newSessions() *sessions {
	return &sessions{now: time.Now, byID: map[[sha256.Size]byte]*session{}}
}

// random is 256 bits, in letters.
func random() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// open makes a session and returns the cookie's value.
func (s *sessions) open(who principal) (*session, string, error) {
	value := random()
	n := &session{who: who, csrf: random(), since: s.now(), id: sha256.Sum256([]byte(value))}
	if end := n.since.Add(maxSession); end.Before(n.who.ends) || n.who.ends.IsZero() {
		n.who.ends = end
	}
	n.who.session = n
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(&n.who)
	if len(s.byID) >= maxSessions {
		p := refuse(http.StatusServiceUnavailable, "too_many_sessions", "too many people are signed in; try again later")
		p.retryAfter = time.Minute
		return nil, "", p
	}
	s.byID[n.id] = n
	return n, value, nil
}

// makeRoom drops sessions that have ended, and the oldest one of somebody who
// has very many. The caller holds mu.
func (s *sessions) makeRoom(who *principal) {
	now, count := s.now(), 0
	var oldest *session
	for id, o := range s.byID {
		if !now.Before(o.who.ends) {
			delete(s.byID, id)
			continue
		}
		if o.who.name == who.name && o.who.account == who.account && o.who.role == who.role {
			count++
			if oldest == nil || o.since.Before(oldest.since) {
				oldest = o
			}
		}
	}
	if count >= maxPerName {
		delete(s.byID, oldest.id)
	}
}

// find returns the session of a cookie, nil if there is none or it has ended.
func (s *sessions) find(value string) *session {
	id := sha256.Sum256([]byte(value))
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.byID[id]
	if found == nil || !s.now().Before(found.who.ends) {
		delete(s.byID, id)
		return nil
	}
	return found
}

func (s *sessions) end(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, n.id)
}

// setCookie gives the browser its session. It is Secure unless the browser asks
// this machine itself, where there is no TLS and no wire.
func setCookie(w http.ResponseWriter, r *http.Request, value string, ends time.Time) {
	c := &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: !asksLoopback(r), Expires: ends}
	if value == "" {
		c.MaxAge, c.Expires = -1, time.Time{}
	}
	http.SetCookie(w, c)
}

func asksLoopback(r *http.Request) bool {
	host := (&url.URL{Host: r.Host}).Hostname()
	ip := net.ParseIP(host)
	return r.TLS == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// A oneTimeLink lets the operator in once, where no tokens are configured.
type oneTimeLink struct {
	mu   sync.Mutex
	code string // "": there is none, or it was used
	ends time.Time
}

// linkTime is how long the link waits to be used.
const linkTime = time.Hour

// SignInLink makes a one-time link for the operator, under the console's own
// address. A link made before is void. Whoever has it is the operator: show it
// on the terminal only.
func (c *Console) SignInLink(base string) string {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.code, c.link.ends = random(), c.sessions.now().Add(linkTime)
	return base + "/sign-in?code=" + c.link.code
}

// use reports whether the code is the link's, and voids the link if so.
func (l *oneTimeLink) use(code string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.code == "" || !now.Before(l.ends) || subtle.ConstantTimeCompare([]byte(code), []byte(l.code)) != 1 {
		return false
	}
	l.code = ""
	return true
}

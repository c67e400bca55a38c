package console

import (
	"crypto/subtle"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sidekey/sidekey/credstore"
)

var (
	errSignIn   = refuse(http.StatusUnauthorized, "sign_in", "sign in first: with a token in Authorization: Bearer, or a session")
	errToken    = refuse(http.StatusUnauthorized, "bad_token", "the token is not valid here, or it has ended; get a new one")
	errForged   = refuse(http.StatusForbidden, "csrf", "the header X-CSRF-Token is missing or is not that of the session; read it from "+api+"/session")
	errBadLogin = refuse(http.StatusUnauthorized, "sign_in", "the session has ended; sign in again")
)

// authenticate finds out who calls: by the token that came with the call, or by
// the session.
func (k *call) authenticate() error {
	now := k.c.sessions.now()
	if h := k.r.Header.Values("Authorization"); len(h) > 0 {
		scheme, token, _ := strings.Cut(h[0], " ")
		if len(h) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return errToken
		}
		who, err := k.verify(strings.TrimSpace(token), now)
		k.who = who
		return err
	}
	cookie, err := k.r.Cookie(cookieName)
	if err != nil {
		return errSignIn
	}
	s := k.c.sessions.find(cookie.Value)
	if s == nil {
		return errBadLogin
	}
	k.who = &s.who
	return nil
}

// verify checks the token of a call. Only failures count against the rate, and
// only they are held to it: who has a good token is not shut out by somebody
// behind the same address who guesses. Guessing 32 bytes gets nobody anywhere;
// what the rate keeps small is the work that strangers make.
func (k *call) verify(token string, now time.Time) (*principal, error) {
	who, err := k.c.verifier.verify(token, now)
	if err == nil {
		return who, nil
	}
	if err := k.c.limits.signIn.take(address(k.r)); err != nil {
		return nil, err
	}
	return nil, errToken
}

// checkForgery refuses a change that a foreign page may have sent with the
// session's cookie. A token does not come by itself, so it needs none.
func (k *call) checkForgery() error {
	if k.who == nil || k.who.session == nil {
		return nil
	}
	got := k.r.Header.Get("X-CSRF-Token")
	if subtle.ConstantTimeCompare([]byte(got), []byte(k.who.session.csrf)) != 1 {
		return errForged
	}
	return nil
}

// openSession signs a browser in.
func (k *call) openSession() (*reply, error) {
	var token credstore.Secret
	if err := k.read(map[string]any{"token": &token}); err != nil {
		return nil, err
	}
	if err := k.c.limits.signIn.left(address(k.r)); err != nil {
		return nil, err
	}
	who, err := k.verify(strings.TrimSpace(string(token.Reveal())), k.c.sessions.now())
	if err != nil {
		return nil, err
	}
	s, value, err := k.c.sessions.open(*who)
	if err != nil {
		return nil, err
	}
	setCookie(k.w, k.r, value, s.who.ends)
	k.who = &s.who
	return k.showSession()
}

func (k *call) closeSession() (*reply, error) {
	if k.who.session != nil {
		k.c.sessions.end(k.who.session)
	}
	setCookie(k.w, k.r, "", time.Time{})
	return &reply{status: http.StatusNoContent}, nil
}

// A sessionReply is what the page needs to know of its session.
type sessionReply struct {
	Account string    `json:"account"`
	Role    string    `json:"role"`
	Name    string    `json:"name"`
	Ends    time.Time `json:"expires_at"`
	Roles   struct {
		Decrypt bool `json:"decrypt"`
	} `json:"roles"`
	Notify bool   `json:"notify"`
	Within int    `json:"in_use_within_seconds"`
	CSRF   string `json:"csrf"` // "" with a token, which needs none
}

func (k *call) showSession() (*reply, error) {
	s := sessionReply{Account: k.who.account, Role: k.who.role, Name: k.who.name, Ends: k.who.ends.UTC(),
		Notify: len(k.c.notifier.urls) > 0, Within: int(k.c.cfg.InUseWithin / time.Second)}
	s.Roles.Decrypt = k.c.decrypts()
	if k.who.session != nil {
		s.CSRF = k.who.session.csrf
	}
	return ok(s), nil
}

// signIn is where the one-time link leads. It is a link, so it answers people.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	tell := func(status int, words string) {
		w.WriteHeader(status)
		io.WriteString(w, words+"\n")
	}
	if r.Method != http.MethodGet { // what looks a link up before somebody follows it must not use it up
		tell(http.StatusMethodNotAllowed, "open this link in a browser")
		return
	}
	from := address(r)
	if err := c.limits.signIn.left(from); err != nil {
		sendProblem(w, problemOf(err))
		return
	}
	if !c.link.use(r.URL.Query().Get("code"), c.sessions.now()) {
		c.limits.signIn.take(from)
		tell(http.StatusUnauthorized, "This link was used before, or is too old. Start sidekey console again for a new one.")
		return
	}
	s, value, err := c.sessions.open(principal{name: "operator (link)", role: RoleOperator})
	if err != nil {
		sendProblem(w, problemOf(err))
		return
	}
	setCookie(w, r, value, s.who.ends)
	c.cfg.Log.Info().Msg("the operator has signed in by the one-time link")
	w.Header().Set("Location", "/")
	tell(http.StatusSeeOther, "Signed in.")
}

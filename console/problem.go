package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// A problem is an error in the form of RFC 9457, application/problem+json.
type problem struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Code   string       `json:"code"` // a word for programs
	Errors []fieldError `json:"errors,omitempty"`
	ETag   string       `json:"etag,omitempty"` // of what is stored, with 412

	retryAfter time.Duration
	cause      error // for the log
}

// A fieldError says what is wrong with one field of the request.
type fieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.Detail
}

func (p *problem) Unwrap() error { return p.cause }

func refuse(status int, code, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// invalid is for input that is understood and cannot be accepted.
func invalid(errs ...fieldError) *problem {
	words := make([]string, len(errs))
	for i, e := range errs {
		words[i] = strings.TrimSpace(e.Field + " " + e.Message)
	}
	p := refuse(http.StatusUnprocessableEntity, "invalid", strings.Join(words, "; "))
	p.Errors = errs
	return p
}

// errNoChatbot is the same for one that is not there and for one that is
// another account's: whether it exists is no business of theirs.
var errNoChatbot = refuse(http.StatusNotFound, "no_such_chatbot", "there is no such chatbot; "+api+"/chatbots lists yours")

var errNotYours = refuse(http.StatusForbidden, "other_account", "this sign-in is for another account; sign in with a token for that one, or leave account out")

// problemOf turns an error into what the caller is told. Causes that are not
// the caller's affair go to the log only.
func problemOf(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, credstore.ErrInvalid):
		return invalid(fieldErrors(err)...)
	case errors.Is(err, credstore.ErrNotFound), errors.Is(err, credstore.ErrAccount):
		return errNoChatbot
	case errors.Is(err, credstore.ErrStale):
		return refuse(http.StatusPreconditionFailed, "changed", "somebody else changed this meanwhile; read it again and decide anew")
	case errors.Is(err, credstore.ErrExists):
		return refuse(http.StatusConflict, "exists", "a chatbot of this id exists already; choose another one")
	case errors.Is(err, credstore.ErrConflict):
		return busy(http.StatusConflict, "busy", "many are changing this at once; try again", err)
	case errors.Is(err, credstore.ErrUnreachable), errors.Is(err, credstore.ErrUnavailable):
		return busy(http.StatusServiceUnavailable, "store_unreachable", "the store cannot be reached at present; whether the change was made is not certain: read it again before you repeat it", err)
	}
	p = refuse(http.StatusBadGateway, "store_refused", "the store refused; the operator finds the reason in the log")
	p.cause = err
	return p
}

func busy(status int, code, detail string, cause error) *problem {
	p := refuse(status, code, detail)
	p.retryAfter, p.cause = 2*time.Second, cause
	return p
}

// fieldErrors finds the field that an error of credstore or provider is about.
func fieldErrors(err error) []fieldError {
	var credential *provider.CredentialError
	if errors.As(err, &credential) {
		return credentialErrors(credential)
	}
	text := strings.TrimPrefix(err.Error(), credstore.ErrInvalid.Error()+": ")
	for prefix, field := range map[string]string{"label: ": "label", "name: ": "name", "address: ": "url", "auth header": "auth_header", "key: ": "key"} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			if field == "auth_header" {
				rest = "is not the name of a header that can carry a key; write for example X-Api-Key, or leave it out" // the text quotes it
			}
			return []fieldError{{field, rest}}
		}
	}
	return []fieldError{{"", text}}
}

// sendProblem answers with a problem.
func sendProblem(w http.ResponseWriter, p *problem) {
	h := w.Header()
	setHeaders(h)
	h.Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	if p.ETag != "" {
		h.Set("ETag", p.ETag)
	}
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

// send answers with what a handler made, and returns the status.
func (a *reply) send(w http.ResponseWriter) int {
	h := w.Header()
	if a.etag != "" {
		h.Set("ETag", a.etag)
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	body := a.raw
	if a.body != nil {
		var err error
		if body, err = json.Marshal(a.body); err != nil {
			panic(fmt.Sprintf("BUG: %T: %v", a.body, err))
		}
		body = append(body, '\n')
	}
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	w.Write(body)
	return a.status
}

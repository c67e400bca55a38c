package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// VertexTokenURL is where a service account's assertion is exchanged, and what
// it is made out to.
const VertexTokenURL = googleToken

// A Grant is an access token for Vertex.
type Grant struct {
	Token []byte
	Life  time.Duration // from the moment of the request
}

// Format implements fmt.Formatter: the token is not printed.
func (Grant) Format(f fmt.State, _ rune) { io.WriteString(f, "REDACTED") }

// A GrantError is the token endpoint's refusal. It holds nothing of what was
// sent or answered but the status and a code of the fixed list of RFC 6749.
type GrantError struct {
	Status int
	Code   string // such as invalid_grant, "" if the reply says none
	// KeyAtFault says that the service account's key is bad. If it is not, the
	// endpoint is in trouble, or this machine's clock is wrong.
	KeyAtFault bool
}

func (e *GrantError) Error() string {
	what := fmt.Sprintf("Google's token endpoint answered %d %s", e.Status, e.Code)
	if !e.KeyAtFault && e.Code == "invalid_grant" {
		what += ": this machine's clock is wrong"
	}
	return strings.TrimSpace(what)
}

// grantCodes are the codes of RFC 6749 section 5.2. All but the first two mean
// the key or its account.
var grantCodes = []string{"invalid_request", "unsupported_grant_type", "invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope"}

// maxLife bounds what a reply can say of a token's life.
const maxLife = 24 * time.Hour

// GrantVertex exchanges an assertion of the service account for an access token
// (RFC 7523 section 2.1), with one call to endpoint. The client should follow
// no redirect; ctx bounds the call. Errors are *CredentialError, *GrantError, or
// the client's.
func GrantVertex(ctx context.Context, client *http.Client, endpoint string, secret []byte) (Grant, error) {
	var problems []string
	k := readVertexKey(secret, storedForm, &problems)
	if err := readError(Vertex, problems); err != nil {
		return Grant{}, err
	}
	assertion, err := k.assertion(time.Now())
	if err != nil {
		return Grant{}, &CredentialError{Vertex, []string{"the private key cannot sign"}}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(grantForm(assertion)))
	if err != nil {
		return Grant{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "sidekey")
	resp, err := client.Do(req)
	if err != nil {
		return Grant{}, err
	}
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	if r.body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply)); err != nil {
		return Grant{}, err
	}
	return r.grant()
}

// grant reads the token endpoint's reply.
func (r *reply) grant() (Grant, error) {
	var said struct {
		Token string  `json:"access_token"`
		Life  float64 `json:"expires_in"`
	}
	if r.status == http.StatusOK && json.Unmarshal(r.body, &said) == nil && len(keyProblems([]byte(said.Token))) == 0 && said.Life > 0 {
		return Grant{[]byte(said.Token), time.Duration(min(said.Life, maxLife.Seconds()) * float64(time.Second))}, nil
	}
	e := &GrantError{Status: r.status}
	var code string
	r.member("error", &code)
	for i, known := range grantCodes {
		if code == known {
			e.Code, e.KeyAtFault = known, i >= 2 && r.status < 500
		}
	}
	if v, _, said := judgeGrant(r); said {
		e.KeyAtFault = v == Invalid
	}
	return Grant{}, e
}

package credstore

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// The services that hand out credentials, each in its own protocol on a
// socket of this machine. Whoever does not ask as documented gets an error
// that fails the test.

// serve starts a service.
func (i *issuer) serve(f func(w http.ResponseWriter, r *http.Request) (problem string)) string {
	var first sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hangs := false
		if i.hang != nil {
			first.Do(func() { hangs = true })
		}
		if hangs {
			io.Copy(io.Discard, r.Body) // or the server does not see the caller leave
			close(i.hang)
			select {
			case <-r.Context().Done():
			case <-i.Context().Done(): // the caller never leaves: the test has failed
			}
			return
		}
		if i.broken {
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, `{"SecretAccessKey":"`+canary("of-a-500")+`"}`)
			return
		}
		if problem := f(w, r); problem != "" {
			i.Errorf("%s was asked for %s %s: %s", i.name, r.Method, r.URL.Path, problem)
			http.Error(w, problem, http.StatusBadRequest)
		}
	}))
	i.Cleanup(s.Close)
	if i.gone {
		s.Close()
	}
	return s.URL
}

// containerAgent is what ECS and EKS have beside a container: one URL, with a
// token of its own.
func (i *issuer) containerAgent(path string, token func() string) string {
	return i.serve(func(w http.ResponseWriter, r *http.Request) string {
		if r.Method != "GET" || r.URL.Path != path {
			return "want GET " + path
		}
		if r.Header.Get("Authorization") != token() {
			return "not the token that is valid now"
		}
		k := i.issue()
		writeJSON(w, map[string]any{"AccessKeyId": k.ID, "SecretAccessKey": k.Secret, "Token": k.Token, "Expiration": k.Expires.Format(time.RFC3339)})
		return ""
	})
}

// instanceMetadata is EC2's service, version 2: first a token, then the name
// of the role, then its keys.
func (i *issuer) instanceMetadata() string {
	const ttl, token, roles = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "X-Aws-Ec2-Metadata-Token", "/latest/meta-data/iam/security-credentials/"
	return i.serve(func(w http.ResponseWriter, r *http.Request) string {
		if r.Method == "PUT" && r.URL.Path == "/latest/api/token" && r.Header.Get(ttl) != "" {
			w.Header().Set(ttl, r.Header.Get(ttl))
			io.WriteString(w, "session")
			return ""
		}
		if r.Method != "GET" || r.Header.Get(token) != "session" {
			return "not with a token, as version 2 has it"
		}
		switch r.URL.Path {
		case roles:
			io.WriteString(w, "sidecar-role")
		case roles + "sidecar-role":
			k := i.issue()
			writeJSON(w, map[string]any{"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": k.ID, "SecretAccessKey": k.Secret,
				"Token": k.Token, "LastUpdated": time.Now(), "Expiration": k.Expires.Format(time.RFC3339)})
		default:
			return "no such metadata"
		}
		return ""
	})
}

// sts answers AssumeRole, which must be signed by base, and
// AssumeRoleWithWebIdentity, which is signed by nobody and must carry the
// identity.
func (i *issuer) sts(role, base string, identity func() string) string {
	return i.serve(func(w http.ResponseWriter, r *http.Request) string {
		if err := r.ParseForm(); err != nil {
			return "not a form"
		}
		action, signed := r.Form.Get("Action"), r.Header.Get("Authorization")
		switch {
		case r.Form.Get("RoleArn") != role || r.Form.Get("RoleSessionName") == "":
			return "not for the role, or no session name"
		case action == "AssumeRole" && base != "" && strings.Contains(signed, "Credential="+base+"/"):
		case action == "AssumeRoleWithWebIdentity" && base == "" && signed == "" && r.Form.Get("WebIdentityToken") == identity():
		default:
			return "the action, who signed it or the identity in it is wrong"
		}
		k := i.issue()
		fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>%s</AccessKeyId>`+
			`<SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></%[1]sResult>`+
			`<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>`,
			action, k.ID, k.Secret, k.Token, k.Expires.Format(time.RFC3339))
		return ""
	})
}

// sso is the portal of IAM Identity Center, and its OIDC service, which
// renews the portal's own token.
func (i *issuer) sso(token, renewed string) string {
	return i.serve(func(w http.ResponseWriter, r *http.Request) string {
		switch q := r.URL.Query(); {
		case r.Method == "POST" && r.URL.Path == "/token" && renewed != "":
			var in struct{ ClientID, ClientSecret, GrantType, RefreshToken string }
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.GrantType != "refresh_token" || in.RefreshToken != canary("refresh") {
				return "not with the refresh token"
			}
			writeJSON(w, map[string]any{"accessToken": renewed, "expiresIn": 3600, "refreshToken": canary("refresh"), "tokenType": "Bearer"})
			return ""
		case r.Method != "GET" || r.URL.Path != "/federation/credentials" || q.Get("account_id") != "111122223333" || q.Get("role_name") != "Sidecar":
			return "want the keys of a role"
		case r.Header.Get("X-Amz-Sso_bearer_token") != token:
			return "not the portal's token"
		}
		k := i.issue()
		writeJSON(w, map[string]any{"roleCredentials": map[string]any{"accessKeyId": k.ID, "secretAccessKey": k.Secret,
			"sessionToken": k.Token, "expiration": k.Expires.UnixMilli()}})
		return ""
	})
}

func writeJSON(w http.ResponseWriter, of any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(of)
}

package credstore

import (
	"fmt"
	"time"
)

// A credentialSource is one way in which a machine has credentials for AWS.
type credentialSource struct {
	name string
	// set adds it to a home. renew does what the platform does before the next
	// key is asked for: write another file, change a token.
	set     func(h *home, i *issuer) (renew func())
	lasting bool // its keys do not expire
	local   bool // no service is asked
	// late: only keys that have expired are renewed. The SDK uses those of EC2
	// to their end, and beyond it while the service cannot give others.
	late bool
}

const role = "arn:aws:iam::111122223333:role/sidecar"

// credentialSources are all that the SDK's default chain knows and that a
// sidecar may meet.
var credentialSources = []credentialSource{
	{name: "environment", lasting: true, local: true, set: func(h *home, i *issuer) func() {
		h.knows("ENV-1", "")
		h.Setenv("AWS_ACCESS_KEY_ID", "ENV-1")
		h.Setenv("AWS_SECRET_ACCESS_KEY", canary("env"))
		return nothing
	}},
	{name: "environment with a session token", lasting: true, local: true, set: func(h *home, i *issuer) func() {
		k := i.issue()
		h.Setenv("AWS_ACCESS_KEY_ID", k.ID)
		h.Setenv("AWS_SECRET_ACCESS_KEY", k.Secret)
		h.Setenv("AWS_SESSION_TOKEN", k.Token)
		return nothing
	}},
	{name: "profile", lasting: true, local: true, set: func(h *home, i *issuer) func() {
		h.knows("PROFILE-1", "")
		h.write("[default]\naws_access_key_id = WRONG\naws_secret_access_key = x\n"+
			"[work]\naws_access_key_id = PROFILE-1\naws_secret_access_key = "+canary("profile")+"\n", ".aws", "credentials")
		h.Setenv("AWS_PROFILE", "work")
		return nothing
	}},
	{name: "process", local: true, set: func(h *home, i *issuer) func() {
		renew := func() {
			k := i.issue()
			h.write(fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":%q,"SessionToken":%q,"Expiration":%q}`,
				k.ID, k.Secret, k.Token, k.Expires.Format(time.RFC3339)), "keys.json")
		}
		renew()
		h.write("[default]\ncredential_process = cat '"+h.path("keys.json")+"'\n", ".aws", "config")
		return renew
	}},
	{name: "sso", set: func(h *home, i *issuer) func() {
		const start = "https://portal.example/start"
		h.ssoToken(start, map[string]any{"accessToken": canary("portal"), "expiresAt": time.Now().Add(8 * time.Hour).Format(time.RFC3339)})
		h.write("[default]\nsso_start_url = "+start+"\nsso_region = eu-west-1\nsso_account_id = 111122223333\nsso_role_name = Sidecar\n", ".aws", "config")
		h.Setenv("AWS_ENDPOINT_URL_SSO", i.sso(canary("portal"), ""))
		return nothing
	}},
	{name: "sso session that must be renewed itself", set: func(h *home, i *issuer) func() {
		h.ssoToken("corp", map[string]any{"accessToken": canary("old"), "expiresAt": time.Now().Add(-time.Hour).Format(time.RFC3339),
			"refreshToken": canary("refresh"), "clientId": "client", "clientSecret": canary("client")})
		h.write("[default]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Sidecar\n"+
			"[sso-session corp]\nsso_start_url = https://portal.example/start\nsso_region = eu-west-1\n", ".aws", "config")
		url := i.sso(canary("renewed"), canary("renewed"))
		h.Setenv("AWS_ENDPOINT_URL_SSO", url)
		h.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", url)
		return nothing
	}},
	{name: "ecs", set: func(h *home, i *issuer) func() {
		h.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", canary("container"))
		h.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", i.containerAgent("/v2/credentials/task", func() string { return canary("container") })+"/v2/credentials/task")
		return nothing
	}},
	{name: "eks pod identity", set: func(h *home, i *issuer) func() {
		token := canary("pod-1")
		h.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", h.write(token, "token"))
		h.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", i.containerAgent("/v1/credentials", func() string { return token })+"/v1/credentials")
		return func() { // the kubelet rotates it, and the old one is worth nothing
			token = canary("pod-2")
			h.write(token, "token")
		}
	}},
	{name: "irsa", set: func(h *home, i *issuer) func() {
		identity := canary("identity-1")
		h.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", h.write(identity, "token"))
		h.Setenv("AWS_ROLE_ARN", role)
		h.Setenv("AWS_ENDPOINT_URL_STS", i.sts(role, "", func() string { return identity }))
		return func() {
			identity = canary("identity-2")
			h.write(identity, "token")
		}
	}},
	{name: "role of another profile", set: func(h *home, i *issuer) func() {
		h.write("[base]\naws_access_key_id = BASE\naws_secret_access_key = "+canary("base")+"\n", ".aws", "credentials")
		h.write("[profile work]\nrole_arn = "+role+"\nsource_profile = base\n", ".aws", "config")
		h.Setenv("AWS_PROFILE", "work")
		h.Setenv("AWS_ENDPOINT_URL_STS", i.sts(role, "BASE", nil))
		return nothing
	}},
	{name: "ec2", late: true, set: func(h *home, i *issuer) func() {
		h.unset("AWS_EC2_METADATA_DISABLED")
		h.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", i.instanceMetadata())
		return nothing
	}},
}

func nothing() {}

// id is the name of the n-th key of a source.
func (s *credentialSource) id(n int) string {
	switch s.name {
	case "environment":
		return "ENV-1"
	case "profile":
		return "PROFILE-1"
	}
	return fmt.Sprintf("TEMP-%d", n)
}

func newIssuer(h *home) *issuer { return &issuer{home: h, name: "TEMP"} }

package provider

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// A vertexKey is a Google service account, as the gateway wants it.
type vertexKey struct {
	Project  string    `json:"project"`
	Location string    `json:"location,omitempty"`
	Google   googleKey `json:"googleCredentials"`
}

type googleKey struct {
	ClientEmail  string `json:"clientEmail"`
	PrivateKey   string `json:"privateKey"`
	PrivateKeyID string `json:"privateKeyId,omitempty"`
}

func readVertexKey(raw []byte, f form, problems *[]string) *vertexKey {
	o := readFields(raw, "", f, problems)
	if len(*problems) > 0 {
		return &vertexKey{}
	}
	_, file := o.members["private_key"]
	if !file {
		_, file = o.members["client_email"]
	}
	switch {
	case file && f == typedForm:
		return readServiceAccountFile(o)
	case file:
		o.problem("", "is a service-account file, not what is made of one: normalise it first")
		return &vertexKey{}
	}
	k := &vertexKey{Project: o.text("project", projectID), Location: o.label("location", o.optional)}
	inner, ok := o.take("googleCredentials")
	if !ok {
		o.problem("googleCredentials", "is missing")
	} else {
		g := readFields(inner, "googleCredentials.", f, problems)
		k.Google = readGoogleKey(g, "clientEmail", "privateKey", "privateKeyId")
		g.rest()
	}
	o.rest()
	return k
}

// readServiceAccountFile reads the key file that Google's console makes. What
// the gateway does not want is dropped if it is a field of such a file; that
// includes its URLs, which are Google's for every key and would otherwise
// decide where a signed assertion goes.
func readServiceAccountFile(o *fields) *vertexKey {
	k := &vertexKey{
		Google:   readGoogleKey(o, "client_email", "private_key", "private_key_id"),
		Project:  o.text("project_id", projectID),
		Location: o.label("location", o.optional), // not Google's: added by hand, to save a second form
	}
	kind := o.optional("type", plainText)
	if kind != "" && kind != "service_account" {
		o.problem("type", "must be service_account")
	}
	universe := o.optional("universe_domain", plainText)
	if universe != "" && universe != "googleapis.com" {
		o.problem("universe_domain", "must be googleapis.com")
	}
	for _, name := range []string{"client_id", "auth_uri", "token_uri", "auth_provider_x509_cert_url", "client_x509_cert_url"} {
		o.take(name)
	}
	o.rest()
	return k
}

func readGoogleKey(o *fields, email, key, id string) googleKey {
	g := googleKey{ClientEmail: o.text(email, emailAddress)}
	r := privateKey
	if o.form == typedForm {
		r = func(s string) string { return privateKey(tidyPEM(s)) }
	}
	g.PrivateKey = o.text(key, r)
	if o.form == typedForm {
		g.PrivateKey = tidyPEM(g.PrivateKey)
	}
	g.PrivateKeyID = o.optional(id, keyText)
	return g
}

func (k *vertexKey) encode() []byte     { return encodeJSON(k) }
func (k *vertexKey) recognised() string { return k.Google.PrivateKeyID }
func (k *vertexKey) hidden() []string   { return []string{k.Google.PrivateKey} }

// tidyPEM repairs what copying through environment variables does to a private
// key: newlines that became backslash and n. It returns the one PEM block in
// its usual form, or the text as it is if there is none.
func tidyPEM(s string) string {
	if !strings.Contains(s, "\n") {
		s = strings.ReplaceAll(s, `\n`, "\n")
	}
	s = strings.TrimSpace(s) + "\n"
	block, rest := pem.Decode([]byte(s))
	if block == nil || len(strings.TrimSpace(string(rest))) > 0 || len(block.Headers) > 0 {
		return s
	}
	return string(pem.EncodeToMemory(block))
}

// privateKey is the rule for a service account's key. PKCS #8 is what Google
// gives out and the only form that the gateway's SDK reads.
func privateKey(s string) string {
	if _, ok := parsePrivateKey(s); !ok {
		return "must be one RSA private key in PEM form (-----BEGIN PRIVATE KEY-----)"
	}
	return ""
}

func parsePrivateKey(s string) (*rsa.PrivateKey, bool) {
	if !strings.HasPrefix(s, "-----BEGIN PRIVATE KEY-----") {
		return nil, false
	}
	block, rest := pem.Decode([]byte(s))
	if block == nil || block.Type != "PRIVATE KEY" || len(block.Headers) > 0 || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, false
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, false
	}
	key, ok := parsed.(*rsa.PrivateKey)
	return key, ok
}

// projectID allows project ids, numbers and the old domain-scoped form
// (example.com:project). It becomes a part of a URL's path.
func projectID(s string) string {
	ok := len(s) >= 1 && len(s) <= 128 && s[0] != '.'
	for i := range len(s) {
		c := s[i]
		ok = ok && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == ':')
	}
	if !ok {
		return "must be a Google Cloud project id (a-z, 0-9, hyphens)"
	}
	return ""
}

func emailAddress(s string) string {
	at := strings.Count(s, "@") == 1 && s[0] != '@' && s[len(s)-1] != '@'
	if !at || len(s) > 256 || keyText(s) != "" {
		return "must be the address of a service account (name@project.iam.gserviceaccount.com)"
	}
	return ""
}

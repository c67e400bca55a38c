package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
)

// keyTable is the providers' view of owner keys. It never changes: a rotation
// swaps in another one.
type keyTable struct {
	index    map[[2]string]int // slug and key -> place in the config, from 1
	failures map[string]int
}

func newKeyTable(keys map[string][]string, failures map[string]int) *keyTable {
	t := &keyTable{index: make(map[[2]string]int), failures: maps.Clone(failures)}
	for slug, list := range keys {
		for i, k := range list {
			t.index[[2]string{slug, k}] = i + 1
		}
	}
	return t
}

// status is the provider's answer to the key: 200, an error, or 0 for none.
func (t *keyTable) status(slug string, c credential) int {
	if c.problem != "" {
		return http.StatusBadRequest
	}
	if s, ok := t.failures[c.secret]; ok {
		return s
	}
	if t.index[[2]string{slug, c.secret}] > 0 {
		return http.StatusOK
	}
	return http.StatusUnauthorized
}

// id names a key without showing it: by its place in the config, or by the
// start of its digest.
func (t *keyTable) id(slug, secret string) string {
	if i := t.index[[2]string{slug, secret}]; i > 0 {
		return fmt.Sprintf("%s#%d", slug, i)
	}
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + hex.EncodeToString(sum[:4])
}

// credential is one object of a byok list (gateway-wire 2.1).
type credential struct {
	secret  string // what identifies it in Config.ProviderKeys
	problem string // why the provider's client library would refuse it
}

// readCredential finds the secret and the fields that the slug's provider
// package cannot do without.
func readCredential(slug string, o object) credential {
	var c credential
	need := func(from object, name string) string {
		s := str(from[name])
		if s == "" && c.problem == "" {
			c.problem = "credential lacks " + name
		}
		return s
	}
	switch {
	case slug == "vertex":
		need(o, "project")
		g, _ := o["googleCredentials"].(object)
		need(g, "clientEmail")
		c.secret = need(g, "privateKey")
	case slug == "bedrock" && o["apiKey"] == nil:
		need(o, "accessKeyId")
		need(o, "region")
		c.secret = need(o, "secretAccessKey")
	default:
		if slug == "azure" {
			need(o, "resourceName")
		}
		c.secret = need(o, "apiKey")
	}
	return c
}

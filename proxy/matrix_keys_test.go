package proxy

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// The third dimension: what the chatbot's owner has stored, and what becomes of
// it at the provider. Each state is a chatbot; a chatbot with an endpoint of its
// own has the keys as well.

// A keyState is one of them.
type keyState struct {
	name   string
	owns   string // slugs
	status int    // of the provider; 0: it never answers
	cut    bool   // the reply breaks off
}

const (
	// ownersSlugs are the providers that the owner has keys for. foreignSlug is
	// another one, of which a chatbot in the state "another's" has the only key.
	ownersSlugs  = "openai anthropic google cohere"
	foreignSlug  = "mistral"
	foreignModel = "mistral/mistral-large-3"

	broughtCanary = "sk-CANARY-brought-by-the-caller-88"
)

var keyStates = []keyState{
	{name: "none", status: 200},
	{name: "another's", owns: foreignSlug, status: 200},
	{name: "good", owns: ownersSlugs, status: 200},
	{name: "400", owns: ownersSlugs, status: 400},
	{name: "401", owns: ownersSlugs, status: 401},
	{name: "402", owns: ownersSlugs, status: 402},
	{name: "403", owns: ownersSlugs, status: 403},
	{name: "404", owns: ownersSlugs, status: 404},
	{name: "429", owns: ownersSlugs, status: 429},
	{name: "500", owns: ownersSlugs, status: 500},
	{name: "timing out", owns: ownersSlugs, status: 0},
	{name: "cut", owns: ownersSlugs, status: 200, cut: true},
}

// chatbot is the id of the chatbot in this state.
func (s *keyState) chatbot(own bool) string {
	id := "none"
	switch {
	case s.cut:
		id = "cut"
	case s.owns != "":
		id = fmt.Sprintf("%.3s-%d", s.owns, s.status)
	}
	if own {
		return "own-" + id
	}
	return id
}

// key is what is stored for a provider, or for the owner's own endpoint if slug
// is own.
func (s *keyState) key(slug string) string {
	return fmt.Sprintf("sk-CANARY-%s-%s-0123456789", slug, s.chatbot(false))
}

const ownSlug = "own"

// storeStates stores the keys of all states, and endpoints at a URL. The cache
// serves all worlds of a matrix.
func storeStates(t testing.TB, endpoint string) *credstore.Cache {
	t.Helper()
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: filepath.Join(t.TempDir(), "keys"), Create: true})
	must(t, err)
	t.Cleanup(func() { store.Close() })
	owner := credstore.NewOwner(store.Backend())
	for _, s := range keyStates {
		for _, own := range []bool{false, true} {
			id := s.chatbot(own)
			for _, slug := range words(s.owns) {
				_, err := owner.Set(t.Context(), id, provider.Slug(slug), secret(s.key(slug)), credstore.SetOptions{Account: "acme"})
				must(t, err)
			}
			if own {
				must(t, owner.SetBYOI(t.Context(), id, endpoint, "", secret(s.key(ownSlug)), "acme"))
			}
		}
	}
	cache, err := credstore.NewCache(store.Backend(), credstore.CacheConfig{})
	must(t, err)
	t.Cleanup(cache.Close)
	return cache
}

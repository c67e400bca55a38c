package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// An sdkCall is one HTTP exchange of a case, as it must come out.
type sdkCall struct {
	status     int
	credential string             // in sidekey's header
	code       string             // in sidekey's header, if sidekey refuses
	retryAfter string             // header, in seconds
	key        provider.Slug      // whose owner key is in the body, if any
	paid       sandbox.Credential // as the gateway's ledger has it, "" where it has nothing
}

// owner is a call that the owner's key pays.
func owner(slug provider.Slug) sdkCall {
	return sdkCall{status: http.StatusOK, credential: "owner", key: slug, paid: sandbox.BYOK}
}

// refused is a call that sidekey refuses: it does not reach the gateway.
func refused(status int, code string) sdkCall {
	return sdkCall{status: status, credential: "none", code: code}
}

// leaked is a call that the platform paid because the owner's key failed: it
// reaches the gateway, and the SDK gets an error instead of the reply.
func leaked(status int, slug provider.Slug) sdkCall {
	return sdkCall{status: status, credential: "none", code: "owner_key_failed", key: slug, paid: sandbox.System}
}

var (
	system     = sdkCall{status: http.StatusOK, credential: "system", paid: sandbox.System}
	free       = sdkCall{status: http.StatusOK, credential: "system"}
	openAIKey  = owner(provider.OpenAI)
	claudeKey  = owner(provider.Anthropic)
	cohereKey  = owner(provider.Cohere)
	wrongKey   = sdkCall{status: http.StatusUnauthorized, credential: "owner", key: provider.DeepSeek, paid: sandbox.None}
	unclear    = refused(http.StatusBadRequest, "model_undetermined")
	notOwned   = refused(http.StatusBadRequest, "fallback_not_owned")
	notAllowed = refused(http.StatusBadRequest, "option_not_allowed")
	cannot     = refused(http.StatusBadRequest, "owner_key_unsupported")
	stranger   = refused(http.StatusUnauthorized, "unauthorized")
	notTheirs  = refused(http.StatusForbidden, "forbidden")
	hidden     = refused(http.StatusForbidden, "path_not_exposed")
	tooLarge   = refused(http.StatusRequestEntityTooLarge, "body_too_large")
	guardOpen  = func(status int) sdkCall { return refused(status, "guard_open") }
	noKeys     = sdkCall{status: http.StatusServiceUnavailable, credential: "none", code: "keys_unavailable", retryAfter: "1"}
)

// sdkCases are the cases of the scripts, with every request that the SDK must
// make in each, and no other: an SDK that repeats a refusal fails here.
var sdkCases = []struct {
	name  string
	calls []sdkCall
}{
	{"openai/chat/owner", []sdkCall{openAIKey}},
	{"openai/chat/system", []sdkCall{system}},
	{"openai/stream/owner", []sdkCall{openAIKey}},
	{"openai/stream/system", []sdkCall{system}},
	{"openai/responses/owner", []sdkCall{openAIKey}},
	{"openai/responses/system", []sdkCall{system}},
	{"openai/responses stream/owner", []sdkCall{openAIKey}},
	{"openai/responses stream/system", []sdkCall{system}},
	{"openai/schema/owner", []sdkCall{openAIKey}},
	{"openai/responses tools/owner", []sdkCall{openAIKey, openAIKey}},
	{"openai/a chatbot without keys/system", []sdkCall{system}},
	{"openai/a virtual model without keys/system", []sdkCall{system}},
	{"openai/tools/owner", []sdkCall{openAIKey, openAIKey}},
	{"openai/tools stream/owner", []sdkCall{openAIKey}},
	{"openai/embeddings/owner", []sdkCall{openAIKey}},
	{"openai/embeddings/system", []sdkCall{system}},
	{"openai/image/owner", []sdkCall{openAIKey}},
	{"openai/models/free", []sdkCall{free}},
	{"openai/a wrong owner key", []sdkCall{wrongKey}},
	{"openai/refused/virtual model", []sdkCall{unclear}},
	{"openai/refused/fallback", []sdkCall{notOwned}},
	{"openai/refused/option", []sdkCall{notAllowed}},
	{"openai/refused/option of a stream", []sdkCall{notAllowed}},
	{"openai/refused/transcription", []sdkCall{cannot}},
	{"openai/refused/account", []sdkCall{notTheirs}},
	{"openai/refused/path", []sdkCall{hidden}},
	{"openai/refused/token", []sdkCall{stranger}},
	{"openai/refused/leak", []sdkCall{leaked(401, provider.XAI)}},
	{"openai/refused/guard open", []sdkCall{guardOpen(401)}},
	{"openai/refused/leak, rate limited", []sdkCall{leaked(429, provider.Perplexity)}},
	{"openai/refused/guard open, rate limited", []sdkCall{guardOpen(429)}},
	{"openai/refused/size", []sdkCall{tooLarge}},
	{"openai/refused/no keys", []sdkCall{noKeys}},
	{"openai/refused/no keys, again", []sdkCall{noKeys, noKeys}},

	{"anthropic/messages/owner", []sdkCall{claudeKey}},
	{"anthropic/messages/system", []sdkCall{system}},
	{"anthropic/stream/owner", []sdkCall{claudeKey}},
	{"anthropic/stream/system", []sdkCall{system}},
	{"anthropic/tools/owner", []sdkCall{claudeKey, claudeKey}},
	{"anthropic/tools stream/owner", []sdkCall{claudeKey}},
	{"anthropic/beta/owner", []sdkCall{claudeKey}},
	{"anthropic/x-api-key/owner", []sdkCall{claudeKey}},
	{"anthropic/x-api-key/system", []sdkCall{system}},
	{"anthropic/models/free", []sdkCall{free}},
	{"anthropic/refused/virtual model", []sdkCall{unclear}},
	{"anthropic/refused/fallback", []sdkCall{notOwned}},
	{"anthropic/refused/option", []sdkCall{notAllowed}},
	{"anthropic/refused/option of a stream", []sdkCall{notAllowed}},
	{"anthropic/refused/account", []sdkCall{notTheirs}},
	{"anthropic/refused/token", []sdkCall{stranger}},
	{"anthropic/refused/x-api-key", []sdkCall{stranger}},
	{"anthropic/refused/leak", []sdkCall{leaked(403, provider.Groq)}},
	{"anthropic/refused/guard open", []sdkCall{guardOpen(403)}},
	{"anthropic/refused/size", []sdkCall{tooLarge}},
	{"anthropic/refused/no keys", []sdkCall{noKeys}},

	{"ai/generateText/owner", []sdkCall{openAIKey}},
	{"ai/generateText/system", []sdkCall{system}},
	{"ai/streamText/owner", []sdkCall{openAIKey}},
	{"ai/streamText/system", []sdkCall{system}},
	{"ai/embed/owner", []sdkCall{cohereKey}},
	{"ai/embed/system", []sdkCall{system}},
	{"ai/embedMany/owner", []sdkCall{cohereKey}},
	{"ai/embedMany/system", []sdkCall{system}},
	{"ai/tools/owner", []sdkCall{claudeKey, claudeKey}},
	{"ai/tools stream/owner", []sdkCall{claudeKey, claudeKey}},
	{"ai/generateObject/owner", []sdkCall{openAIKey}},
	{"ai/generateImage/owner", []sdkCall{openAIKey}},
	{"ai/rerank/owner", []sdkCall{cohereKey}},
	{"ai/generateSpeech/owner", []sdkCall{openAIKey}},
	{"ai/transcribe/owner", []sdkCall{openAIKey}},
	{"ai/generateVideo/system", []sdkCall{system}},
	{"ai/batch/system", []sdkCall{system, free, free}},
	{"ai/models/free", []sdkCall{free}},
	{"ai/options/owner", []sdkCall{openAIKey}},
	{"ai/refused/virtual model", []sdkCall{unclear}},
	{"ai/refused/fallback", []sdkCall{notOwned}},
	{"ai/refused/option", []sdkCall{notAllowed}},
	{"ai/refused/option of an embedding", []sdkCall{notAllowed}},
	{"ai/refused/account", []sdkCall{notTheirs}},
	{"ai/refused/token", []sdkCall{stranger}},
	{"ai/refused/leak", []sdkCall{leaked(401, "novita")}},
	{"ai/refused/guard open", []sdkCall{guardOpen(401)}},
	{"ai/refused/path", []sdkCall{hidden}},
	{"ai/refused/no keys", []sdkCall{noKeys}},
	{"ai/refused/no keys, again", []sdkCall{noKeys, noKeys}},
	{"ai/refused/batch", []sdkCall{cannot}},
	{"ai/refused/stream", []sdkCall{notAllowed}},

	{"langchain/chat/owner", []sdkCall{openAIKey}},
	{"langchain/chat/system", []sdkCall{system}},
	{"langchain/stream/owner", []sdkCall{openAIKey}},
	{"langchain/refused/virtual model", []sdkCall{unclear}},
	{"langchain/refused/fallback", []sdkCall{notOwned}},
	{"langchain/refused/account", []sdkCall{notTheirs}},
	{"langchain/refused/token", []sdkCall{stranger}},
	{"langchain/refused/leak", []sdkCall{leaked(401, "fireworks")}},
	{"langchain/refused/guard open", []sdkCall{guardOpen(401)}},
	{"langchain/refused/size", []sdkCall{tooLarge}},
}

// TestSDKClients runs real SDKs through the sidecar. The scripts judge what the
// SDK made of each reply; here the ledger and the observer at the gateway say
// who paid and what was sent.
func TestSDKClients(t *testing.T) {
	node := sdkSet().Node(t)
	scripts := sdkScripts(t, sdkSet().Install(t))
	w := newSDKWorld(t)
	results := w.run(t, node, scripts)

	ledger := map[int]sandbox.Entry{}
	for _, e := range w.gateway.Ledger() {
		ledger[e.Seq] = e
	}
	seen := map[string][]sandbox.Seen{}
	for _, s := range w.seen {
		name := s.Header.Get("X-Sdk-Case")
		seen[name] = append(seen[name], s)
		w.searchForToken(t, name, s)
	}
	for _, c := range sdkCases {
		t.Run(c.name, func(t *testing.T) {
			result, ran := results[c.name]
			if !ran {
				t.Fatal("the scripts have no such case")
			}
			delete(results, c.name)
			if !result.OK {
				t.Error(result.Error)
			}
			checkReplies(t, result.Replies, c.calls)
			checkArrived(t, seen[c.name], ledger, c.calls)
			delete(seen, c.name)
		})
	}
	for name := range results {
		t.Errorf("the scripts have a case %q that is not in the table", name)
	}
	for name, s := range seen {
		t.Errorf("%d requests of case %q reached the gateway without being asked for", len(s), name)
	}
	if strings.Contains(w.log.String(), canaryMark) {
		t.Error("a key is in the sidecar's log")
	}
}

// checkReplies compares what the SDK received with what it must receive.
func checkReplies(t *testing.T, got []sdkReply, calls []sdkCall) {
	t.Helper()
	if len(got) != len(calls) {
		t.Fatalf("the SDK made %d requests, want %d: %v", len(got), len(calls), got)
	}
	for i, c := range calls {
		if want := (sdkReply{c.status, c.credential, c.code, c.retryAfter}); got[i] != want {
			t.Errorf("reply %d is %v, want %v", i+1, got[i], want)
		}
	}
}

// checkArrived compares what reached the gateway, and who paid for it there.
func checkArrived(t *testing.T, got []sandbox.Seen, ledger map[int]sandbox.Entry, calls []sdkCall) {
	t.Helper()
	for _, c := range calls {
		if c.code != "" && c.paid == "" {
			continue
		}
		if len(got) == 0 {
			t.Fatal("a request did not reach the gateway")
		}
		s := got[0]
		got = got[1:]
		if paid := ledger[s.Seq].Credential; paid != c.paid {
			t.Errorf("the ledger says %q, want %q", paid, c.paid)
		}
		if c.paid == sandbox.BYOK && ledger[s.Seq].KeyID != string(c.key)+"#1" {
			t.Errorf("key %q paid, want %s#1", ledger[s.Seq].KeyID, c.key)
		}
		checkKeys(t, s, c.key)
	}
	if len(got) != 0 {
		t.Errorf("%d requests too many reached the gateway", len(got))
	}
}

// checkKeys says that the gateway's own key is in Authorization, the owner's
// key of that one provider where the gateway looks for it, and that there is no
// other key and no second copy anywhere.
func checkKeys(t *testing.T, s sandbox.Seen, slug provider.Slug) {
	t.Helper()
	want := 1
	if got := s.Header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+sdkGatewayKey {
		t.Errorf("Authorization does not hold the gateway's key alone")
	}
	if slug != "" {
		want++
		var body struct {
			ProviderOptions struct {
				Gateway struct {
					Only []string
					BYOK map[provider.Slug][]map[string]string
				}
			}
		}
		if err := json.Unmarshal(s.Body, &body); err != nil {
			t.Fatal("the body is not JSON")
		}
		gateway := body.ProviderOptions.Gateway
		keys := gateway.BYOK[slug]
		if len(gateway.BYOK) != 1 || len(keys) != 1 || len(keys[0]) != 1 || keys[0]["apiKey"] != sdkOwnerKeys[slug] {
			t.Errorf("the body does not hold the owner's %s key alone", slug)
		}
		if len(gateway.Only) != 1 || gateway.Only[0] != string(slug) {
			t.Errorf("only is %q, want [%s]", gateway.Only, slug)
		}
	}
	if got := strings.Count(everything(s), canaryMark); got != want {
		t.Errorf("%d keys arrived, want %d", got, want)
	}
}

// searchForToken looks for every part of every caller's token in all that the
// gateway received.
func (w *sdkWorld) searchForToken(t *testing.T, name string, s sandbox.Seen) {
	t.Helper()
	all := everything(s)
	for _, token := range w.tokens {
		for _, part := range strings.Split(token, ".") {
			if strings.Contains(all, part) {
				t.Errorf("case %q: a part of the caller's token reached the gateway", name)
			}
		}
	}
}

// everything is a request as received, in one piece.
func everything(s sandbox.Seen) string {
	return fmt.Sprintf("%s %s\n%s\n%v\n%s", s.Method, s.Target, s.Host, s.Header, s.Body)
}

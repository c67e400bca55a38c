package credstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/provider"
)

func newTestOwner(t testing.TB) (*Owner, *memStore) {
	m := newMemStore()
	return NewOwner(Backend{Store: m, Cipher: newGateCipher(t), Table: "test", KMSKey: "alias/test"}), m
}

func TestFirstKeyOfANewChatbotIsUsedAtOnce(t *testing.T) {
	o, _ := newTestOwner(t)
	info, err := o.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(" "+canary("k")+"\n")), SetOptions{Account: "acme", Label: "mine"})
	if err != nil || info.Slug != provider.OpenAI || info.Hint != "xxxx" || info.Label != "mine" || info.Version == 0 {
		t.Fatalf("%+v, %v", info, err)
	}
	got, err := o.List(t.Context(), "bot", "acme")
	if err != nil || !got.BYOK || got.Account != "acme" || len(got.Keys) != 1 || got.Keys[0] != info {
		t.Errorf("%+v, %v", got, err)
	}
	if s, _, err := o.Key(t.Context(), "bot", provider.OpenAI, "acme"); err != nil || string(s.Reveal()) != canary("k") {
		t.Errorf("key differs, it should be trimmed (error %v)", err)
	}
}

func TestKeyThatStoresWithBYOKOffStaysOff(t *testing.T) {
	o, _ := newTestOwner(t)
	ctx := t.Context()
	if err := o.SetBYOK(ctx, "bot", false, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := o.List(ctx, "bot", ""); err != nil || got.BYOK {
		t.Errorf("storing a key switched BYOK on (error %v)", err)
	}
}

func TestRotationKeepsLabelAndCreationAndForgetsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOwner(t)
		ctx := t.Context()
		first, err := o.Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary("a"))), SetOptions{Label: "mine"})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.RecordTest(ctx, "bot", provider.OpenAI, first.Version, "valid", time.Now()); err != nil {
			t.Fatal(err)
		}
		tested, err := o.List(ctx, "bot", "")
		if err != nil || tested.Keys[0].TestResult != "valid" || tested.Keys[0].Version != first.Version {
			t.Errorf("after the test: %+v, %v; want the result and the same version", tested.Keys, err)
		}
		time.Sleep(time.Hour)
		second, err := o.Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary("b"))), SetOptions{})
		if err != nil || second.Label != "mine" || !second.CreatedAt.Equal(first.CreatedAt) ||
			!second.UpdatedAt.After(first.UpdatedAt) || second.TestResult != "" || second.Version <= first.Version {
			t.Errorf("first %+v\nsecond %+v, %v", first, second, err)
		}
		err = o.RecordTest(ctx, "bot", provider.OpenAI, first.Version, "invalid", time.Now())
		if !errors.Is(err, ErrConflict) {
			t.Errorf("result for the old key: got %v, want ErrConflict", err)
		}
	})
}

func TestVersionsGrowAcrossDeletionAndWithAClockThatGoesBack(t *testing.T) {
	o, m := newTestOwner(t)
	now := time.Now()
	o.now = func() time.Time { now = now.Add(-time.Hour); return now }
	var last int64
	for range 4 {
		info, err := o.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{})
		if err != nil || info.Version <= last {
			t.Fatalf("version %d after %d, %v", info.Version, last, err)
		}
		if err := o.Delete(t.Context(), "bot", provider.OpenAI, ""); err != nil {
			t.Fatal(err)
		}
		mark := m.recs["bot"].key("key#openai")
		if !mark.Deleted() || mark.Version <= info.Version || mark.Hint != "" || mark.Label != "" {
			t.Fatalf("what a deletion leaves: %+v", mark)
		}
		last = mark.Version
	}
	// An item that somebody removed by hand starts above its earlier life too.
	o.now = time.Now
	m.remove("bot")
	if info, err := o.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}); err != nil || info.Version < now.UnixMilli() {
		t.Errorf("version %d, %v", info.Version, err)
	}
}

func TestDeletedKeyIsGone(t *testing.T) {
	o, _ := newTestOwner(t)
	ctx := t.Context()
	if err := o.Delete(ctx, "bot", provider.OpenAI, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("never stored: got %v, want ErrNotFound", err)
	}
	if _, err := o.Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := o.Delete(ctx, "bot", provider.OpenAI, ""); err != nil {
		t.Fatal(err)
	}
	if err := o.Delete(ctx, "bot", provider.OpenAI, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("second time: got %v, want ErrNotFound", err)
	}
	if _, _, err := o.Key(ctx, "bot", provider.OpenAI, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("Key: got %v, want ErrNotFound", err)
	}
	if err := o.RecordTest(ctx, "bot", provider.OpenAI, 1, "valid", time.Now()); !errors.Is(err, ErrNotFound) {
		t.Errorf("RecordTest: got %v, want ErrNotFound", err)
	}
	if got, err := o.List(ctx, "bot", ""); err != nil || len(got.Keys) != 0 {
		t.Errorf("List: %+v, %v", got, err)
	}
}

func TestAccountReachesOnlyItsOwnChatbots(t *testing.T) {
	o, m := newTestOwner(t)
	ctx := t.Context()
	key := NewSecret([]byte(canary("k")))
	for bot, account := range map[string]string{"a1": "acme", "a2": "acme", "b1": "other", "free": ""} {
		if _, err := o.Set(ctx, bot, provider.OpenAI, key, SetOptions{Account: account}); err != nil {
			t.Fatal(err)
		}
	}
	before := fmt.Sprintf("%+v %+v", m.recs["b1"].Settings, m.recs["b1"].Keys)
	for _, bot := range []string{"b1", "free"} {
		_, e1 := o.Set(ctx, bot, provider.OpenAI, key, SetOptions{Account: "acme"})
		_, _, e2 := o.Key(ctx, bot, provider.OpenAI, "acme")
		_, e3 := o.List(ctx, bot, "acme")
		for i, err := range []error{e1, e2, e3, o.Delete(ctx, bot, provider.OpenAI, "acme"), o.SetBYOK(ctx, bot, false, "acme"),
			o.SetBYOI(ctx, bot, "https://x.example", "", key, "acme"), o.ClearBYOI(ctx, bot, "acme")} {
			if !errors.Is(err, ErrAccount) {
				t.Errorf("call %d on %s: got %v, want ErrAccount", i, bot, err)
			}
		}
	}
	if after := fmt.Sprintf("%+v %+v", m.recs["b1"].Settings, m.recs["b1"].Keys); after != before {
		t.Error("a refused call changed something")
	}
	names := func(account string) (ids []string) {
		infos, err := o.ListAccount(ctx, account)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range infos {
			ids = append(ids, c.Chatbot)
		}
		return ids
	}
	if got := strings.Join(names("acme"), " "); got != "a1 a2" {
		t.Errorf("acme lists %s", got)
	}
	if got := strings.Join(names(""), " "); got != "a1 a2 b1 free" {
		t.Errorf("the operator lists %s", got)
	}
}

func TestListsHoldNoSecret(t *testing.T) {
	o, _ := newTestOwner(t)
	ctx := t.Context()
	key := canary("list")
	if _, err := o.Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(key)), SetOptions{Account: "acme"}); err != nil {
		t.Fatal(err)
	}
	if err := o.SetBYOI(ctx, "bot", "https://x.example", "", NewSecret([]byte(key)), ""); err != nil {
		t.Fatal(err)
	}
	one, err := o.List(ctx, "bot", "")
	if err != nil {
		t.Fatal(err)
	}
	all, err := o.ListAccount(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal([]any{one, all})
	if err != nil {
		t.Fatal(err)
	}
	clean(t, "list", string(b)+fmt.Sprintf("%+v %#v", one, all), key)
	if strings.Contains(strings.ToLower(string(b)), "cipher") {
		t.Error("a list shows ciphertexts")
	}
}

func TestCredentialsThatCannotBeStoredAreRefused(t *testing.T) {
	o, m := newTestOwner(t)
	for what, key := range map[string]string{
		"empty": "", "blank": " \n", "line break inside": "sk-CANARY-one\nsk-CANARY-two", "carriage return": "sk-CANARY\rX-Evil: 1",
		"NUL": "sk-CANARY\x00", "control byte": "sk-CANARY\x1b[31m", "space": "sk-CANARY two", "quote": `sk-CANARY"`, "backslash": `sk-CANARY\n`,
		"not ASCII": "sk-CANARY-é", "absurd length": "sk-CANARY-" + strings.Repeat("x", 5000), "a megabyte": strings.Repeat("CANARY", 1<<18),
	} {
		_, err := o.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(key)), SetOptions{})
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", what, err)
		} else if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: the error shows the key", what)
		}
		err = o.SetBYOI(t.Context(), "bot", "https://x.example", "", NewSecret([]byte(key)), "")
		if what != "quote" && what != "backslash" && !errors.Is(err, ErrInvalid) {
			t.Errorf("own endpoint, %s: got %v, want ErrInvalid", what, err)
		} else if err != nil && strings.Contains(err.Error(), "CANARY") {
			t.Errorf("own endpoint, %s: the error shows the key", what)
		}
		m.remove("bot")
	}
	for slug, key := range map[provider.Slug]string{provider.Vertex: "not JSON", provider.Bedrock: `{"accessKeyId":"CANARY"}`, provider.Azure: `{}`} {
		if _, err := o.Set(t.Context(), "bot", slug, NewSecret([]byte(key)), SetOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", slug, err)
		}
	}
	if len(m.recs) != 0 {
		t.Error("a refused credential left something behind")
	}
}

func TestNamesOutsideTheirAlphabetAreRefused(t *testing.T) {
	o, m := newTestOwner(t)
	ctx, key := t.Context(), NewSecret([]byte(canary("k")))
	bad := []string{"", " ", "a b", "a/b", "../x", "a\nb", "a#b", "é", "a\x00", strings.Repeat("a", 129), "a%2fb"}
	for _, id := range bad {
		_, e1 := o.Set(ctx, id, provider.OpenAI, key, SetOptions{})
		_, _, e2 := o.Key(ctx, id, provider.OpenAI, "")
		_, e3 := o.List(ctx, id, "")
		for i, err := range []error{e1, e2, e3, o.Delete(ctx, id, provider.OpenAI, ""), o.SetBYOK(ctx, id, true, ""),
			o.SetBYOI(ctx, id, "https://x.example", "", key, ""), o.ClearBYOI(ctx, id, ""),
			o.RecordTest(ctx, id, provider.OpenAI, 1, "valid", time.Now())} {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("chatbot %.20q, call %d: got %v, want ErrInvalid", id, i, err)
			}
		}
		if id == "" {
			continue // no account: the operator
		}
		_, e1 = o.Set(ctx, "bot", provider.OpenAI, key, SetOptions{Account: id})
		_, e2 = o.ListAccount(ctx, id)
		for i, err := range []error{e1, e2, o.SetBYOK(ctx, "bot", true, id)} {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("account %.20q, call %d: got %v, want ErrInvalid", id, i, err)
			}
		}
	}
	for _, slug := range []provider.Slug{"", "nobody", "OPENAI", "key#openai"} {
		if _, err := o.Set(ctx, "bot", slug, key, SetOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("provider %q: got %v, want ErrInvalid", slug, err)
		}
	}
	for _, label := range []string{"two\nlines", "\x1b[2J", "\xff", strings.Repeat("x", 201)} {
		if _, err := o.Set(ctx, "bot", provider.OpenAI, key, SetOptions{Label: label}); !errors.Is(err, ErrInvalid) {
			t.Errorf("label %.10q: got %v, want ErrInvalid", label, err)
		}
	}
	if len(m.recs) != 0 {
		t.Error("a refused name left something behind")
	}
	for _, id := range []string{"a", "A.b_c:d-9", strings.Repeat("a", 128)} {
		if !ValidID(id) {
			t.Errorf("%q is refused", id)
		}
	}
}

func TestOwnEndpointIsStoredReplacedAndCleared(t *testing.T) {
	o, _ := newTestOwner(t)
	ctx, key := t.Context(), NewSecret([]byte(canary("k")))
	if err := o.ClearBYOI(ctx, "bot", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("nothing to clear: got %v, want ErrNotFound", err)
	}
	for _, address := range []string{"", "x.example", "ftp://x.example", "https://", "https:///v1", "https://user:pw@x.example", "https://x.example?k=1",
		"https://x.example/#f", "https://x.example/#", "https://x.example?", "javascript:alert(1)", "https://x.example/\n", "https://" + strings.Repeat("x", 2000)} {
		if err := o.SetBYOI(ctx, "bot", address, "", key, ""); !errors.Is(err, ErrInvalid) {
			t.Errorf("address %.30q: got %v, want ErrInvalid", address, err)
		}
	}
	for _, header := range []string{"X Key", "X-Key:", "X-Key\r\n", "Host", "content-length", "Transfer-Encoding", "é", strings.Repeat("x", 101)} {
		if err := o.SetBYOI(ctx, "bot", "https://x.example", header, key, ""); !errors.Is(err, ErrInvalid) {
			t.Errorf("header %.20q: got %v, want ErrInvalid", header, err)
		}
	}
	for _, header := range []string{"", "X-Api-Key", "Authorization"} {
		if err := o.SetBYOI(ctx, "bot", "http://127.0.0.1:9/v1", header, key, ""); err != nil {
			t.Errorf("header %q: %v", header, err)
		}
	}
	if got, err := o.List(ctx, "bot", ""); err != nil || got.BYOIURL != "http://127.0.0.1:9/v1" || got.BYOIHeader != "Authorization" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := o.ClearBYOI(ctx, "bot", ""); err != nil {
		t.Fatal(err)
	}
	if got, err := o.List(ctx, "bot", ""); err != nil || got.BYOIURL != "" || got.BYOIHeader != "" {
		t.Errorf("after clearing: %+v, %v", got, err)
	}
}

// rival is a store in which somebody else always writes first, n times.
type rival struct {
	*memStore
	n int
}

func (r *rival) PutKey(ctx context.Context, chatbot string, k *KeyRecord, was int64) error {
	if r.n > 0 {
		r.n--
		other := *k
		other.Version, other.Hint = was+100, "them"
		if err := r.memStore.PutKey(ctx, chatbot, &other, was); err != nil {
			return err
		}
	}
	return r.memStore.PutKey(ctx, chatbot, k, was)
}

func TestConflictsAreRetriedAFewTimes(t *testing.T) {
	for n, want := range map[int]error{maxTries - 1: nil, maxTries: ErrConflict} {
		s := &rival{newMemStore(), n}
		o := NewOwner(Backend{Store: s, Cipher: newGateCipher(t)})
		_, err := o.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{})
		if !errors.Is(err, want) {
			t.Errorf("%d conflicts: got %v, want %v", n, err, want)
		}
		if k := s.recs["bot"].key("key#openai"); (k.Hint == "xxxx") != (want == nil) {
			t.Errorf("%d conflicts: hint %q", n, k.Hint)
		}
	}
}

func TestListOfAnUnknownChatbotIsNotFound(t *testing.T) {
	o, _ := newTestOwner(t)
	if _, err := o.List(t.Context(), "nobody", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

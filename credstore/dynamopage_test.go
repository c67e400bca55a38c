package credstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// A Query answers with a megabyte at most. Whoever keeps other things beside
// the keys must not hide one.
func TestChatbotOfMoreThanOnePageHasAllItsKeys(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w)
	slugs := []provider.Slug{provider.Anthropic, provider.OpenAI, provider.XAI}
	fill(t, a, 1, slugs...)
	bulk(t, a)
	w.ResetCounts()
	rec, err := a.Load(t.Context(), "bot-0", Latest)
	must(t, err)
	if n := w.Count("dynamodb:Query"); n < 2 {
		t.Errorf("%d pages, want more than one: nothing was tested", n)
	}
	if rec.Settings == nil || len(rec.Keys) != len(slugs) {
		t.Fatalf("settings %v and %d keys, want settings and %d keys", rec.Settings, len(rec.Keys), len(slugs))
	}
	k, err := newAWSCache(t, a).Keyring(t.Context(), "bot-0")
	must(t, err)
	for _, slug := range slugs {
		if s, err := k.Secret(t.Context(), slug); err != nil || string(s.Reveal()) != canary(string(slug)+"-0") {
			t.Errorf("key of %s differs (error %v)", slug, err)
		}
	}
}

// bulk puts more than a megabyte of other things before, between and after the
// items of bot-0.
func bulk(t *testing.T, a *AWS) {
	t.Helper()
	rows := awsRows{t, a}
	for i, name := range []string{"audit#1", "audit#2", "k", "key", "keys#1", "settings#old", "zzz#1"} {
		rows.put(map[string]types.AttributeValue{"chatbot_id": text("bot-0"), "item": text(name),
			"version": text(fmt.Sprintf("v%d", i)), "ciphertext": text(strings.Repeat("x", 380_000))})
	}
}

// Half of a keyring is none: the missing key would be read as not stored.
func TestChatbotOfWhichOnePageIsMissingIsNotServed(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w, eagerly)
	fill(t, a, 1, provider.OpenAI)
	bulk(t, a)
	for code, outage := range map[string]bool{"InternalServerError": true, "AccessDeniedException": false} {
		w.Fault(func(c awstest.Call) awstest.Fault {
			if c.Op == "dynamodb:Query" && strings.Contains(string(c.Body), "ExclusiveStartKey") {
				return awstest.Fault{Status: 400, Code: code}
			}
			return awstest.Fault{}
		})
		rec, err := a.Load(t.Context(), "bot-0", Latest)
		if rec != nil || err == nil || errors.Is(err, ErrUnreachable) != outage {
			t.Errorf("%s: got %v, %v", code, rec, err)
		}
		if k, err := newAWSCache(t, a).Keyring(t.Context(), "bot-0"); k != nil || !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: the cache serves (error %v)", code, err)
		}
	}
}

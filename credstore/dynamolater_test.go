package credstore

import (
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// later are attributes of which only a later sidekey knows what they mean.
func later() item {
	return item{
		"limit": number(100), "models": &types.AttributeValueMemberSS{Value: []string{"a", "b", "c"}}, "gone": null,
		"plan": inside(item{"deep": &types.AttributeValueMemberL{Value: []types.AttributeValue{yes(true), bin(1, 0)}}}),
	}
}

// hasLater tells whether a row, or its byoi, has them all, unchanged.
func hasLater(row item) bool {
	want := later()
	for name, v := range row {
		if set, ok := v.(*types.AttributeValueMemberSS); ok && len(set.Value) == 3 { // a set has no order
			v = want[name]
		}
		if reflect.DeepEqual(v, want[name]) {
			delete(want, name)
		}
	}
	return len(want) == 0
}

func byoiOf(row item) item {
	m, ok := row["byoi"].(*types.AttributeValueMemberM)
	if !ok {
		return nil
	}
	return m.Value
}

// Two versions of sidekey work on one table while a fleet is upgraded. The
// older one must not lose what the newer one wrote, except with the key or the
// endpoint that it belonged to.
func TestAttributesOfALaterSidekeySurviveWhatAnOlderOneWrites(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w)
	o, rows := NewOwner(a.Backend()), awsRows{t, a}
	settings := func() item { return rows.get("bot", "settings") }
	key := func() item { return rows.get("bot", "key#openai") }
	set := func() KeyInfo {
		info, err := o.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("key"))), SetOptions{Account: "acme"})
		must(t, err)
		return info
	}
	endpoint := func() {
		must(t, o.SetBYOI(t.Context(), "bot", "https://x.example", "", NewSecret([]byte(canary("own"))), ""))
	}
	info := set()
	endpoint()
	s := with(settings(), later())
	s["byoi"] = inside(with(byoiOf(s), later()))
	rows.put(s)
	rows.put(with(key(), later()))

	must(t, o.SetBYOK(t.Context(), "bot", false, ""))
	if s := settings(); !hasLater(s) || !hasLater(byoiOf(s)) {
		t.Error("switching BYOK off lost an attribute of the settings")
	}
	must(t, o.RecordTest(t.Context(), "bot", provider.OpenAI, info.Version, "valid", time.Now()))
	if !hasLater(key()) {
		t.Error("the result of a test lost an attribute of the key")
	}
	endpoint()
	if s := settings(); !hasLater(s) || hasLater(byoiOf(s)) || len(byoiOf(s)) != 2 {
		t.Error("another endpoint lost an attribute of the settings, or got those of the endpoint before")
	}
	must(t, o.ClearBYOI(t.Context(), "bot", ""))
	if s := settings(); !hasLater(s) || byoiOf(s) != nil {
		t.Error("clearing the endpoint lost an attribute of the settings, or did not clear it")
	}
	set()
	if k := key(); k["limit"] != nil || k["plan"] != nil {
		t.Error("another key got the attributes of the key before")
	}
	rows.put(with(key(), later()))
	must(t, o.Delete(t.Context(), "bot", provider.OpenAI, ""))
	if k := key(); k["limit"] != nil || k["ciphertext"] != nil {
		t.Error("a deleted key left attributes behind")
	}
}

// DynamoDB returns a set in any order, so that only our own attributes can tell
// a write that came through from another's.
func TestLostReplyIsRecognisedBesideAttributesOfALaterSidekey(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w, eagerly)
	fill(t, a, 1, provider.OpenAI)
	rows := awsRows{t, a}
	rows.put(with(rows.get("bot-0", "settings"), later()))
	w.Fault(func(c awstest.Call) awstest.Fault {
		if c.Op == "dynamodb:PutItem" && c.N%2 == 1 {
			return awstest.Fault{Drop: true, After: true}
		}
		return awstest.Fault{}
	})
	w.ResetCounts()
	must(t, NewOwner(a.Backend()).SetBYOK(t.Context(), "bot-0", false, ""))
	if puts := w.Count("dynamodb:PutItem"); puts != 2 || w.Count("dynamodb:GetItem") != 1 {
		t.Errorf("%d puts, want the lost one and its repetition", puts)
	}
	if !hasLater(rows.get("bot-0", "settings")) {
		t.Error("an attribute was lost")
	}
	stored, written := with(later(), item{"version": number(7)}), with(later(), item{"version": number(7)})
	stored["models"] = &types.AttributeValueMemberSS{Value: []string{"c", "a", "b"}}
	if !settingsForm.same(stored, written) || settingsForm.same(stored, with(written, item{"version": number(8)})) || settingsForm.same(nil, written) {
		t.Error("what is ours is not what is compared")
	}
}

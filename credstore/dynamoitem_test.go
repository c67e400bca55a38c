package credstore

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sidekey/sidekey/sandbox/awstest"
)

type item = map[string]types.AttributeValue

// with returns the item with attributes replaced, or removed where they are nil.
func with(of item, change item) item {
	of = maps.Clone(of)
	for name, v := range change {
		if v == nil {
			delete(of, name)
		} else {
			of[name] = v
		}
	}
	return of
}

func bin(b ...byte) types.AttributeValue {
	return &types.AttributeValueMemberB{Value: append([]byte{}, b...)}
}

var null = &types.AttributeValueMemberNULL{Value: true}

func yes(on bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: on} }

func inside(m item) types.AttributeValue { return &types.AttributeValueMemberM{Value: m} }

// goodRows are settings and a key as sidekey writes them.
func goodRows(t testing.TB) (settings, key item) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	settings, err := marshalItem(settingsItem("bot", &Settings{AccountID: "acme", Name: "Help", BYOKEnabled: true, Deleted: true, Version: 7, UpdatedAt: at,
		BYOI: &BYOI{URL: "https://x.example/v1", AuthHeader: "X-Key", Ciphertext: []byte{1}}}))
	must(t, err)
	key, err = marshalItem(keyItem("bot", &KeyRecord{Item: "key#openai", Slug: "openai", Ciphertext: []byte{2}, Hint: "abcd", Label: "mine",
		KMSKey: "alias/x", Version: 8, CreatedAt: at, UpdatedAt: at, TestedAt: at, TestResult: "valid"}))
	must(t, err)
	return settings, key
}

// A badRow is a row that no sidekey has written.
type badRow struct {
	name   string
	key    bool // it is the key, else the settings
	change item // nil: the row is missing
	want   string
}

var badRows = []badRow{
	{"no version", true, item{"version": nil}, "version"},
	{"version zero", true, item{"version": number(0)}, "version"},
	{"negative version", false, item{"version": number(-3)}, "version"},
	{"version as text", true, item{"version": text("8")}, "version"},
	{"version NULL", false, item{"version": null}, "version"},
	{"fraction of a version", true, item{"version": &types.AttributeValueMemberN{Value: "1.5"}}, "key#openai"},
	{"version beyond 64 bits", true, item{"version": &types.AttributeValueMemberN{Value: "99999999999999999999"}}, "key#openai"},
	{"ciphertext as text", true, item{"ciphertext": text("AQID")}, "ciphertext"},
	{"ciphertext NULL", true, item{"ciphertext": null}, "ciphertext"},
	{"ciphertext as a list", true, item{"ciphertext": &types.AttributeValueMemberL{}}, "ciphertext"},
	{"ciphertext as numbers", true, item{"ciphertext": &types.AttributeValueMemberNS{Value: []string{"1", "2"}}}, "ciphertext"},
	{"label as a number", true, item{"label": number(1)}, "label"},
	{"hint NULL", true, item{"hint": null}, "hint"},
	{"time as a number", true, item{"created_at": number(1_700_000_000)}, "created_at"},
	{"no time", true, item{"updated_at": text("yesterday")}, "openai"},
	{"time that could not be written again", true, item{"tested_at": text("9999-12-31T23:59:59-02:00")}, "openai"},
	{"key without a provider", true, item{"item": text("key#")}, "key#"},
	{"no byok_enabled", false, item{"byok_enabled": nil}, "byok_enabled"},
	{"byok_enabled NULL", false, item{"byok_enabled": null}, "byok_enabled"},
	{"byok_enabled as text", false, item{"byok_enabled": text("true")}, "byok_enabled"},
	{"byok_enabled as a number", false, item{"byok_enabled": number(1)}, "byok_enabled"},
	{"byoi NULL", false, item{"byoi": null}, "byoi"},
	{"byoi as text", false, item{"byoi": text("https://x.example")}, "byoi"},
	{"byoi without an address", false, item{"byoi": inside(item{"ciphertext": bin(1)})}, "byoi"},
	{"byoi without a key", false, item{"byoi": inside(item{"url": text("https://x.example")})}, "byoi"},
	{"byoi with an empty key", false, item{"byoi": inside(item{"url": text("https://x.example"), "ciphertext": bin()})}, "byoi"},
	{"byoi with a key as text", false, item{"byoi": inside(item{"url": text("https://x.example"), "ciphertext": text("k")})}, "ciphertext"},
	{"no settings", false, nil, "no settings"},
}

// What no sidekey wrote is an answer, and the answer is no: a guess, or an
// empty keyring, would let the platform pay for what an owner meant to.
func TestRowThatNoSidekeyWroteIsAnAnswerAndNeverAnEmptyKeyring(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w)
	settings, key := goodRows(t)
	for n, c := range badRows {
		t.Run(c.name, func(t *testing.T) {
			bot := text(fmt.Sprintf("bot-%d", n))
			s, k := with(settings, item{"chatbot_id": bot}), with(key, item{"chatbot_id": bot})
			switch {
			case c.key:
				k = with(k, c.change)
			case c.change != nil:
				s = with(s, c.change)
			default:
				s = nil
			}
			rows := awsRows{t, a}
			rows.put(k)
			if s != nil {
				rows.put(s)
			}
			id := bot.(*types.AttributeValueMemberS).Value
			rec, err := a.Load(t.Context(), id, Latest)
			if s != nil && (err == nil || isOutage(err) || rec != nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Load: got %v, %v; want an answer about %q", rec, err, c.want)
			}
			ring, err := newAWSCache(t, a).Keyring(t.Context(), id)
			if ring != nil || !errors.Is(err, ErrUnavailable) || isOutage(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Cache: got %v, %v; want ErrUnavailable about %q", ring, err, c.want)
			}
		})
	}
}

// What is strange and clear.
func TestRowThatIsUnusualAndClearIsServed(t *testing.T) {
	settings, key := goodRows(t)
	for _, c := range []struct {
		name  string
		rows  []item
		check func(r *Record) bool
	}{
		{"nothing", nil, func(r *Record) bool { return r.Settings == nil && len(r.Keys) == 0 }},
		{"deleted", []item{settings, with(key, item{"ciphertext": nil})}, func(r *Record) bool { return r.Keys[0].Deleted() && r.Keys[0].Version == 8 }},
		{"emptied", []item{settings, with(key, item{"ciphertext": bin()})}, func(r *Record) bool { return r.Keys[0].Deleted() }},
		{"bare key", []item{settings, {"chatbot_id": text("bot"), "item": text("key#openai"), "version": number(1), "ciphertext": bin(9)}},
			func(r *Record) bool { return !r.Keys[0].Deleted() && r.Keys[0].UpdatedAt.IsZero() }},
		{"bare settings", []item{{"chatbot_id": text("bot"), "item": text("settings"), "version": number(1), "byok_enabled": yes(false)}},
			func(r *Record) bool { return !r.Settings.BYOKEnabled && r.Settings.BYOI == nil }},
		{"provider of a later sidekey", []item{settings, key, with(key, item{"item": text("key#later")})},
			func(r *Record) bool { return len(r.Keys) == 2 && r.Keys[1].Slug == "later" }},
		{"zones", []item{with(settings, item{"updated_at": text("2026-01-02T05:04:05.000000006+02:00")}), with(key, item{"created_at": text("2026-01-01T20:04:05-07:00")})},
			func(r *Record) bool {
				return r.Settings.UpdatedAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)) && r.Keys[0].CreatedAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
			}},
		{"other kinds, with our names for something else", []item{settings, key,
			{"chatbot_id": text("bot"), "item": text("audit#1"), "version": text("v1"), "ciphertext": null, "byok_enabled": number(1)}},
			func(r *Record) bool { return len(r.Keys) == 1 && r.Settings.BYOKEnabled }},
		{"our names in capitals", []item{with(settings, item{"Version": number(99), "BYOK_Enabled": yes(false)}), with(key, item{"CIPHERTEXT": bin(7)})},
			func(r *Record) bool {
				return r.Settings.Version == 7 && r.Settings.BYOKEnabled && r.Keys[0].Ciphertext[0] == 2
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := &Record{Chatbot: "bot"}
			for _, row := range c.rows {
				must(t, rec.add(row))
			}
			if !c.check(rec) {
				t.Errorf("got settings %+v, keys %+v", rec.Settings, rec.Keys)
			}
			if _, err := newKeyring("bot", rec, nil, newOpener(Backend{}, CacheConfig{}, newLifetime(), new(counters))); err != nil {
				t.Error(err)
			}
		})
	}
}

// DynamoDB cannot answer so; then something else is wrong.
func TestRowOfAnotherChatbotIsRefused(t *testing.T) {
	settings, key := goodRows(t)
	for _, row := range []item{settings, key, with(key, item{"chatbot_id": nil}), with(settings, item{"chatbot_id": number(1)}), with(settings, item{"item": null}), nil} {
		rec := &Record{Chatbot: "bot2"}
		if row["item"] == null {
			rec.Chatbot = "bot"
		}
		if err := rec.add(row); err == nil || isOutage(err) || rec.Settings != nil || len(rec.Keys) > 0 {
			t.Errorf("got %+v, %v", rec, err)
		}
	}
}

// The forms must name what the structs write.
func TestFormsNameWhatIsWritten(t *testing.T) {
	settings, key := goodRows(t)
	for _, c := range []struct {
		form form
		item item
	}{{settingsForm, settings}, {keyForm, key}, {byoiForm, settings["byoi"].(*types.AttributeValueMemberM).Value}} {
		written := form{}
		for name, v := range c.item {
			written[name] = kind(v)
		}
		if !maps.Equal(written, c.form) {
			t.Errorf("written %v, form %v", written, c.form)
		}
	}
}

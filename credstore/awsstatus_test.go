package credstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// ready is a World in which Init has run, with a chatbot that has a key.
func ready(t *testing.T) (*awstest.World, *AWS) {
	t.Helper()
	w := awstest.Start(t)
	a := openWorld(t, w)
	if err := InitError(initWorld(t.Context(), a, true)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewOwner(a.Backend()).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}); err != nil {
		t.Fatal(err)
	}
	return w, a
}

// permission names a check.
func permission(c Check) string {
	if strings.Contains(c.Resource, "/index/") {
		return c.Action + " index"
	}
	return c.Action
}

// notOK maps the checks that did not succeed to their states.
func notOK(checks []Check) string {
	var out []string
	for _, c := range checks {
		if c.State != CheckOK {
			out = append(out, permission(c)+" "+string(c.State))
		}
	}
	return strings.Join(out, ", ")
}

func TestStatusOfAGoodStoreIsAllOKAndWritesNothing(t *testing.T) {
	_, a := ready(t)
	before, err := a.Load(t.Context(), "bot", Latest)
	must(t, err)
	for _, chatbot := range []string{"", "bot", "nobody"} {
		if got := notOK(a.Status(t.Context(), chatbot)); got != "" {
			t.Errorf("chatbot %q: %s", chatbot, got)
		}
	}
	after, err := a.Load(t.Context(), "bot", Latest)
	if err != nil || fmt.Sprint(after.Keys, *after.Settings) != fmt.Sprint(before.Keys, *before.Settings) {
		t.Errorf("the chatbot's records changed (error %v)", err)
	}
	for _, partition := range []string{proofPartition, "bot", "nobody"} {
		if item, err := a.item(t.Context(), partition, "never"); err != nil || len(item) != 0 {
			t.Errorf("it wrote into %s (error %v)", partition, err)
		}
	}
	if ids, err := a.Chatbots(t.Context(), ""); err != nil || len(ids) != 1 {
		t.Errorf("chatbots %v, %v", ids, err)
	}
}

func TestStatusNamesExactlyTheMissingPermission(t *testing.T) {
	w, a := ready(t)
	for _, op := range []string{"dynamodb:Query", "dynamodb:Query index", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "kms:Decrypt", "kms:Encrypt"} {
		t.Run(op, func(t *testing.T) {
			w.Allow(func(c awstest.Call) bool {
				name := c.Op
				if c.Index != "" {
					name += " index"
				}
				return name != op
			})
			defer w.Allow(nil)
			for _, c := range a.Status(t.Context(), "bot") {
				want := CheckOK
				if permission(c) == op {
					want = CheckMissing
				}
				if c.State != want {
					t.Errorf("%s: %s %s, want %s", permission(c), c.State, c.Why, want)
				}
				if want == CheckMissing && (!strings.Contains(c.Fix, "allow "+c.Action+" on arn:aws:") || !strings.Contains(c.Why, "user/local is not authorized")) {
					t.Errorf("%s: %s; %s: does not say who lacks what", permission(c), c.Why, c.Fix)
				}
			}
		})
	}
}

// A role that is limited to one chatbot, by dynamodb:LeadingKeys and
// kms:EncryptionContext:chatbot_id, and may only read.
func TestStatusUnderALimitedRole(t *testing.T) {
	w, a := ready(t)
	w.Allow(func(c awstest.Call) bool {
		switch c.Op {
		case "dynamodb:Query", "dynamodb:GetItem":
			return strings.Contains(string(c.Body), `"bot"`)
		case "kms:Decrypt":
			return c.Context["chatbot_id"] == "bot"
		}
		return false
	})
	const owners = "dynamodb:PutItem missing, kms:Encrypt missing, dynamodb:Query index missing, dynamodb:Scan missing"
	if got := notOK(a.Status(t.Context(), "bot")); got != owners {
		t.Errorf("with the chatbot: got %s, want %s", got, owners)
	}
	const all = "dynamodb:Query missing, dynamodb:GetItem missing, kms:Decrypt not checked, " + owners
	checks := a.Status(t.Context(), "")
	if got := notOK(checks); got != all {
		t.Errorf("without: got %s, want %s", got, all)
	}
	if !strings.Contains(checks[0].Fix, "--chatbot") {
		t.Errorf("nobody says that a chatbot can be named: %s", checks[0].Fix)
	}
}

func TestStatusTellsOtherTroubleFromMissingPermissions(t *testing.T) {
	const (
		kmsFails   = "kms:Decrypt failed, kms:Encrypt failed"
		tableFails = "dynamodb:Query failed, dynamodb:GetItem failed, kms:Decrypt failed, dynamodb:PutItem failed, dynamodb:Query index failed, dynamodb:Scan failed"
	)
	for _, test := range []struct {
		what   string
		change func(*testing.T, *awstest.World, *AWSConfig)
		want   string
		words  string // in what the decryption came to
	}{
		{"no table", func(_ *testing.T, _ *awstest.World, c *AWSConfig) { c.Table = "no-such-table" }, tableFails, "sidekey store init"},
		{"disabled", func(t *testing.T, w *awstest.World, _ *AWSConfig) {
			id := w.KMS.KeyID(awstest.Alias)
			must2[*kms.DisableKeyOutput](t)(kmsOf(w).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &id}))
		}, kmsFails, "enable the KMS key again"},
		{"pending deletion", func(t *testing.T, w *awstest.World, _ *AWSConfig) {
			id := w.KMS.KeyID(awstest.Alias)
			must2[*kms.ScheduleKeyDeletionOutput](t)(kmsOf(w).ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &id}))
		}, kmsFails, "waits for its deletion"},
		{"no alias", func(_ *testing.T, _ *awstest.World, c *AWSConfig) { c.KMSKey = "alias/none" }, kmsFails, "create the key"},
		{"unreachable", func(_ *testing.T, w *awstest.World, _ *AWSConfig) { w.FaultOn("kms:", awstest.Fault{Drop: true}) }, kmsFails, "unreachable"},
	} {
		t.Run(test.what, func(t *testing.T) {
			w, _ := ready(t)
			var cfg AWSConfig
			test.change(t, w, &cfg)
			checks := openWorldWith(t, w, cfg).Status(t.Context(), "")
			if got := notOK(checks); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got := checks[2].Why; !strings.Contains(got, test.words) {
				t.Errorf("got %s, want %s", got, test.words)
			}
		})
	}
}

func TestStatusWithoutATestRecordUsesAKeyOfTheChatbot(t *testing.T) {
	w := awstest.Start(t)
	a := openTable(t, w)
	if c := a.Status(t.Context(), "")[2]; c.State != CheckUnchecked || !strings.Contains(c.Why, "run sidekey store init once") {
		t.Errorf("nothing to check with: %+v", c)
	}
	if c := a.Status(t.Context(), "bot")[2]; c.State != CheckUnchecked || !strings.Contains(c.Why, "chatbot bot has no key") {
		t.Errorf("a chatbot without a key: %+v", c)
	}
	o := NewOwner(a.Backend())
	must(t, o.SetBYOI(t.Context(), "own", "https://x.example/v1", "", NewSecret([]byte(canary("own"))), ""))
	must2[KeyInfo](t)(o.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}))
	for _, chatbot := range []string{"bot", "own"} {
		if c := a.Status(t.Context(), chatbot)[2]; c.State != CheckOK {
			t.Errorf("%s: %+v", chatbot, c)
		}
	}
}

func TestStatusNoticesATestRecordOfAnotherKey(t *testing.T) {
	w, _ := ready(t)
	must2[*kms.CreateAliasOutput](t)(kmsOf(w).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: ptr("alias/other"),
		TargetKeyId: must2[*kms.CreateKeyOutput](t)(kmsOf(w).CreateKey(t.Context(), &kms.CreateKeyInput{})).KeyMetadata.KeyId}))
	c := openWorldWith(t, w, AWSConfig{KMSKey: "alias/other"}).Status(t.Context(), "")[2]
	if c.State != CheckFailed || !strings.Contains(c.Why, "look at store.aws.kms_key") {
		t.Errorf("got %+v", c)
	}
}

func ptr[T any](v T) *T { return &v }

func TestConditionsNameWhatIAMMayLimit(t *testing.T) {
	for _, test := range []struct{ key, region, resource, condition string }{
		{"alias/sidekey", "eu-central-1", "arn:aws:kms:eu-central-1:*:key/*",
			`{"StringEquals":{"kms:EncryptionContext:app":"sidekey","kms:EncryptionContext:table":"keys","kms:RequestAlias":"alias/sidekey"}}`},
		{"arn:aws-cn:kms:cn-north-1:123456789012:key/abc", "cn-north-1", "arn:aws-cn:kms:cn-north-1:123456789012:key/abc",
			`{"StringEquals":{"kms:EncryptionContext:app":"sidekey","kms:EncryptionContext:table":"keys"}}`},
		{"01234567-89ab-cdef-0123-456789abcdef", "us-gov-west-1", "arn:aws-us-gov:kms:us-gov-west-1:*:key/01234567-89ab-cdef-0123-456789abcdef",
			`{"StringEquals":{"kms:EncryptionContext:app":"sidekey","kms:EncryptionContext:table":"keys"}}`},
	} {
		a := &AWS{cfg: AWSConfig{Table: "keys", KMSKey: test.key}, region: test.region}
		if got := a.keyARN(); got != test.resource {
			t.Errorf("got %s, want %s", got, test.resource)
		}
		if got := a.keyCondition(); got != test.condition {
			t.Errorf("got %s, want %s", got, test.condition)
		}
	}
}

// Whether keys may be opened is told by the test record; what cannot be told
// counts as yes, for then the first try tells.
func TestMayDecryptIsNoOnlyWhereAWSSaysSo(t *testing.T) {
	w := awstest.Start(t)
	a := openTable(t, w)
	f := func(what string, want bool) {
		t.Helper()
		if got := a.MayDecrypt(t.Context()); got != want {
			t.Errorf("%s: got %v", what, got)
		}
	}
	denied := awstest.Fault{Status: 400, Code: "AccessDeniedException"}
	w.FaultOn("kms:Decrypt", denied)
	f("without a test record", true)
	w.Fault(nil)
	initWorld(t.Context(), a, false)
	f("with one", true)
	w.FaultOn("kms:Decrypt", denied)
	f("denied", false)
	w.FaultOn("kms:Decrypt", awstest.Fault{Status: 400, Code: "ValidationException"})
	f("for another reason", true)
}

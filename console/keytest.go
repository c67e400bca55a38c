package console

import (
	"net/http"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// A testReply is what a provider says about a key, in words without the key.
type testReply struct {
	Result   string    `json:"result"` // valid, invalid, inconclusive or no credit
	Message  string    `json:"message"`
	Status   int       `json:"status"` // of the provider's answer; 0: there was none
	TestedAt time.Time `json:"tested_at"`
}

var errNoDecrypt = refuse(http.StatusConflict, "decrypt_not_permitted",
	"this console may store keys and not open them, so it cannot test a stored one; enter the key again to test it, or use sidekey keys test where keys may be opened")

// testKey asks the provider about a key: the stored one, or one that is typed
// and not stored.
func (k *call) testKey() (*reply, error) {
	key, err := k.key()
	if err != nil {
		return nil, err
	}
	var fields map[string]credstore.Secret
	if err := k.read(map[string]any{"fields": &fields}); err != nil {
		return nil, err
	}
	if fields != nil {
		return key.testTyped(fields)
	}
	return key.testStored()
}

// allowTest keeps the rate. It is asked last, so that a request that could not
// be done does not count.
func (k *keyCall) allowTest() error {
	// The chatbot's account, so that an operator does not use up everybody's.
	account := k.bot.Account
	if err := k.c.limits.testChatbot.take(account + "#" + k.id); err != nil {
		return err
	}
	return k.c.limits.testAccount.take(account)
}

func (k *keyCall) testTyped(fields map[string]credstore.Secret) (*reply, error) {
	typed, err := credential(k.row, fields)
	if err != nil {
		return nil, err
	}
	stored, err := provider.NormalizeCredential(k.slug, typed.Reveal())
	if err != nil {
		return nil, invalid(fieldErrors(err)...)
	}
	defer clear(stored)
	if err := k.allowTest(); err != nil {
		return nil, err
	}
	return ok(k.ask(stored)), nil
}

func (k *keyCall) testStored() (*reply, error) {
	if k.stored(k.bot) == nil {
		return nil, errNoKey
	}
	if !k.c.decrypts() {
		return nil, errNoDecrypt
	}
	if err := k.allowTest(); err != nil {
		return nil, err
	}
	owner := k.owner(credstore.AnyVersion)
	secret, info, err := owner.Key(k.ctx(), k.id, k.slug, k.who.scope())
	if credstore.Denied(err) {
		return nil, errNoDecrypt
	}
	if err != nil {
		return nil, k.refusal(err)
	}
	out := k.ask(secret.Reveal())
	// Another key may be stored by now; then this says nothing about it.
	if err := owner.RecordTest(k.ctx(), k.id, k.slug, info.Version, out.Result, out.TestedAt); err != nil {
		k.c.cfg.Log.Warn().Err(err).Str("chatbot", k.id).
			Str("remedy", "none for this test, whose answer was shown; if it goes on, look at what the error names").Msg("the result of a test could not be written down")
	}
	return ok(out), nil
}

// ask makes the provider's free call.
func (k *keyCall) ask(stored []byte) testReply {
	r := k.c.checker.Check(k.ctx(), k.slug, stored)
	out := testReply{Result: r.Verdict.String(), Message: r.Words, Status: r.Status, TestedAt: k.c.sessions.now().UTC().Truncate(time.Millisecond)}
	if out.Message == "" {
		out.Message = k.row.Name + " accepts the key"
	}
	return out
}

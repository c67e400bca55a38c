package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// The people of the demo.
const (
	shop, shopAccount = "shop-bot", "acme"
	help, helpAccount = "help-bot", "globex"
)

// demoSteps are the promises, each with the real requests that show it.
var demoSteps = []struct {
	title string
	run   func(context.Context, *demo) error
}{
	{"The owner of shop-bot stores an OpenAI key. A call to an OpenAI model is paid with it.", showOwnerKey},
	{"The same chatbot asks for a model of Anthropic, for which no key is stored: the platform pays.", showSystem},
	{"A streamed reply arrives word by word.", showStream},
	{"A wrong key. The gateway falls back to the platform's credential; the chatbot gets an error, not the reply.", showWrongKey},
	{"The next call with that key is refused at once: nothing is sent, nobody pays.", showGuard},
	{"The owner stores a working key, and is heard at once.", showHealing},
	{"The owner replaces the key. The next call is paid with the new one.", showRotation},
	{"Another chatbot cannot use shop-bot's key, and another account cannot speak for shop-bot.", showOthers},
	{"The store's files hold no readable key.", showSealed},
}

// expect compares a call with what was promised. paid is the credential in the
// gateway's ledger, keyID the key that it saw.
func (r *demoRow) expect(status int, credential string, paid sandbox.Credential, keyID string) error {
	switch {
	case r.status != status:
		return fmt.Errorf("got status %d, want %d", r.status, status)
	case r.credential != credential:
		return fmt.Errorf("the sidecar says %q, want %q", r.credential, credential)
	case r.paid.Credential != paid:
		return fmt.Errorf("the gateway's ledger says %q, want %q", r.paid.Credential, paid)
	case keyID != "" && r.paid.KeyID != keyID:
		return fmt.Errorf("the gateway saw key %q, want %q", r.paid.KeyID, keyID)
	}
	return nil
}

func (d *demo) store(ctx context.Context, chatbot, account string, slug provider.Slug, key string) error {
	_, err := d.world.owner.Set(ctx, chatbot, slug, credstore.NewSecret([]byte(key)), credstore.SetOptions{Account: account})
	return err
}

func showOwnerKey(ctx context.Context, d *demo) error {
	if err := d.store(ctx, shop, shopAccount, provider.OpenAI, sandbox.DemoOpenAIKey); err != nil {
		return err
	}
	row, err := d.call(ctx, demoCall{chatbot: shop, account: shopAccount, model: "openai/gpt-5.4-mini", prompt: "Do you ship to Norway?"})
	if err != nil {
		return err
	}
	return row.expect(200, "owner", sandbox.BYOK, "openai#1")
}

func showSystem(ctx context.Context, d *demo) error {
	row, err := d.call(ctx, demoCall{chatbot: shop, account: shopAccount, model: "anthropic/claude-sonnet-4.5", prompt: "And to Iceland?"})
	if err != nil {
		return err
	}
	return row.expect(200, "system", sandbox.System, "")
}

func showStream(ctx context.Context, d *demo) error {
	row, err := d.call(ctx, demoCall{chatbot: shop, account: shopAccount, model: "openai/gpt-5.4-mini", prompt: "Tell me about the fjords.", stream: true})
	if err != nil {
		return err
	}
	if row.events < 3 {
		return fmt.Errorf("got %d events, want several", row.events)
	}
	return row.expect(200, "owner", sandbox.BYOK, "openai#1")
}

// toMistral is a call to the provider for which the owner stores a wrong key.
var toMistral = demoCall{chatbot: shop, account: shopAccount, model: "mistral/mistral-large-latest", prompt: "Hello?"}

// showWrongKey lets the gateway do what it always does with a key that fails.
// The platform pays for this one call: that cannot be undone, only not repeated.
func showWrongKey(ctx context.Context, d *demo) error {
	if err := d.store(ctx, shop, shopAccount, provider.Mistral, "sk-demo-wrong-key-000000000000"); err != nil {
		return err
	}
	row, err := d.call(ctx, toMistral)
	if err != nil {
		return err
	}
	if row.errorCode != "owner_key_failed" {
		return fmt.Errorf("got %q, want owner_key_failed", row.errorCode)
	}
	return row.expect(401, "none", sandbox.System, "")
}

func showGuard(ctx context.Context, d *demo) error {
	row, err := d.call(ctx, toMistral)
	if err != nil {
		return err
	}
	if row.errorCode != "guard_open" {
		return fmt.Errorf("got %q, want guard_open", row.errorCode)
	}
	if row.paid.Seq != 0 {
		return errors.New("the call reached the gateway")
	}
	return row.expect(401, "none", "", "")
}

func showHealing(ctx context.Context, d *demo) error {
	good := sandbox.DemoConfig().ProviderKeys[string(provider.Mistral)][0]
	if err := d.store(ctx, shop, shopAccount, provider.Mistral, good); err != nil {
		return err
	}
	row, err := d.call(ctx, toMistral)
	if err != nil {
		return err
	}
	return row.expect(200, "owner", sandbox.BYOK, "mistral#1")
}

func showRotation(ctx context.Context, d *demo) error {
	if err := d.store(ctx, shop, shopAccount, provider.OpenAI, sandbox.DemoOpenAIKey2); err != nil {
		return err
	}
	row, err := d.call(ctx, demoCall{chatbot: shop, account: shopAccount, model: "openai/gpt-5.4-mini", prompt: "Still there?"})
	if err != nil {
		return err
	}
	return row.expect(200, "owner", sandbox.BYOK, "openai#2")
}

func showOthers(ctx context.Context, d *demo) error {
	other, err := d.call(ctx, demoCall{chatbot: help, account: helpAccount, model: "openai/gpt-5.4-mini", prompt: "Who pays for me?"})
	if err != nil {
		return err
	}
	if err := other.expect(200, "system", sandbox.System, ""); err != nil {
		return err
	}
	thief, err := d.call(ctx, demoCall{chatbot: shop, account: helpAccount, model: "openai/gpt-5.4-mini", prompt: "Put it on their bill."})
	if err != nil {
		return err
	}
	if thief.paid.Seq != 0 {
		return errors.New("the call of another account reached the gateway")
	}
	return thief.expect(403, "none", "", "")
}

// showSealed reads every file that the store has written.
func showSealed(_ context.Context, d *demo) error {
	files := 0
	err := filepath.WalkDir(d.world.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, key := range []string{sandbox.DemoOpenAIKey, sandbox.DemoOpenAIKey2} {
			for _, form := range []string{key, hex.EncodeToString([]byte(key)), base64.RawStdEncoding.EncodeToString([]byte(key))} {
				if bytes.Contains(content, []byte(form)) {
					return fmt.Errorf("%s holds a readable key", filepath.Base(path))
				}
			}
		}
		return nil
	})
	if err == nil && files == 0 {
		err = errors.New("the store has written no file")
	}
	if err == nil {
		fmt.Fprintf(d.out, "   %d files searched, in plain, hex and base64.\n", files)
	}
	return err
}

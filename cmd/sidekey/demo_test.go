package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox"
)

// The first command that a newcomer types.
func TestDemoKeepsItsPromises(t *testing.T) {
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"demo"}, strings.NewReader(""), &out, &errs); status != 0 {
		t.Fatalf("exit status %d: %s\n%s", status, errs.String(), out.String())
	}
	for _, want := range []string{
		"All as promised.", "the owner, with key openai#1", "the owner, with key openai#2", "the platform",
		"the platform, once: noticed by sidekey, owner_key_failed", "nobody: refused by sidekey, guard_open", "the owner, with key mistral#1",
		"nobody: refused by sidekey, forbidden", "ADDED BY SIDEKEY",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
}

// A demo that could not fail would show nothing.
func TestDemoNoticesABrokenPromise(t *testing.T) {
	w, err := newDemoWorld()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	d := &demo{world: w, out: io.Discard}
	// The provider no longer takes the owner's key: the gateway falls back, the
	// platform pays, and the step must say so.
	w.gateway.SetKeys(map[string][]string{}, nil)
	if err := showOwnerKey(t.Context(), d); err == nil {
		t.Error("the platform paid for the owner's call, and the demo did not notice")
	}
	w.gateway.SetKeys(sandbox.DemoConfig().ProviderKeys, nil)
	if err := showOwnerKey(t.Context(), d); err != nil {
		t.Errorf("with the right keys: %v", err)
	}
	// A key that works is no wrong key, and nothing is refused after it.
	w.gateway.SetKeys(map[string][]string{"mistral": {"sk-demo-wrong-key-000000000000"}}, nil)
	if err := showWrongKey(t.Context(), d); err == nil {
		t.Error("the owner paid, and the demo did not notice")
	}
	if err := showGuard(t.Context(), d); err == nil {
		t.Error("the call was sent, and the demo did not notice")
	}
	w.gateway.SetKeys(sandbox.DemoConfig().ProviderKeys, nil)
	if _, err := w.owner.Set(t.Context(), help, "openai", credstore.NewSecret([]byte(sandbox.DemoOpenAIKey)), credstore.SetOptions{Account: helpAccount}); err != nil {
		t.Fatal(err)
	}
	if err := showOthers(t.Context(), d); err == nil {
		t.Error("the other chatbot has a key of its own, and the demo did not notice")
	}
}

// With --stay it prints what to paste, and ends when asked to.
func TestDemoStays(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &watchedOutput{want: "gateway(\"openai/gpt-5.4-mini\")", found: stop}
	if status := run(ctx, []string{"demo", "--stay"}, strings.NewReader(""), out, io.Discard); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for _, want := range []string{"curl -i http://127.0.0.1:", "OpenAI(base_url=\"http://127.0.0.1:", "new OpenAI(", "new ChatOpenAI(", "new Anthropic(", "createGateway("} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the snippets lack %q", want)
		}
	}
}

// watchedOutput calls found once the text wanted was written.
type watchedOutput struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	want  string
	found func()
}

func (w *watchedOutput) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if strings.Contains(w.buf.String(), w.want) {
		w.found()
	}
	return len(p), nil
}

func (w *watchedOutput) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

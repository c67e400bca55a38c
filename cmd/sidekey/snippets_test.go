package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// What a newcomer pastes must run, and the owner must pay for it. Each snippet is
// run by what it is for; one whose program is not installed is left out, loudly.
func TestSnippetsRun(t *testing.T) {
	w, err := newDemoWorld()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	d := &demo{world: w}
	for slug, key := range map[provider.Slug]string{provider.OpenAI: sandbox.DemoOpenAIKey, provider.Anthropic: sandbox.DemoAnthropicKey} {
		if err := d.store(t.Context(), shop, shopAccount, slug, key); err != nil {
			t.Fatal(err)
		}
	}
	token, err := w.token(shop, shopAccount)
	if err != nil {
		t.Fatal(err)
	}
	var ran atomic.Int64
	t.Run("all", func(t *testing.T) { // side by side: an SDK takes a second to load
		for _, s := range snippets(w.url, token) {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				out, err := snippetCommand(t, s).CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if len(strings.TrimSpace(string(out))) < 10 {
					t.Errorf("it prints %q", out)
				}
				ran.Add(1)
			})
		}
	})
	paid := w.gateway.Ledger()
	for _, p := range paid {
		if p.Credential != sandbox.BYOK {
			t.Errorf("the ledger says that %q paid", p.Credential)
		}
	}
	if len(paid) != int(ran.Load()) {
		t.Errorf("%d snippets ran, and the ledger has %d calls", ran.Load(), len(paid))
	}
}

// snippetCommand runs a snippet, or skips the test.
func snippetCommand(t *testing.T, s snippet) *exec.Cmd {
	t.Helper()
	switch filepath.Ext(s.name) {
	case ".sh":
		if _, err := exec.LookPath("curl"); err != nil {
			t.Skip("SKIPPED: curl is not installed")
		}
		return exec.CommandContext(t.Context(), "sh", "-ec", s.text)
	case ".py":
		python, err := exec.LookPath("python3")
		if err != nil || exec.Command(python, "-c", "import openai").Run() != nil {
			t.Skip("SKIPPED: Python's package openai is not installed, so this snippet was not run")
		}
		return exec.CommandContext(t.Context(), python, "-c", s.text)
	default:
		set := sdkSet()
		node := set.Node(t)
		file := filepath.Join(sdkScripts(t, set.Install(t)), s.name)
		if err := os.WriteFile(file, []byte(s.text), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.CommandContext(t.Context(), node, file)
	}
}

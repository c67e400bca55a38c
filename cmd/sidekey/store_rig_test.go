package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// A storeRig runs sidekey, as a process of its own, with a configuration that
// has a local store and one on the tests' AWS.
type storeRig struct {
	*testing.T
	w   *awstest.World
	dir string // of the local store
	cfg string
	env []string // more, and stronger
}

func newStoreRig(t *testing.T, kind string) *storeRig {
	t.Helper()
	r := &storeRig{T: t, w: awstest.Start(t), dir: filepath.Join(t.TempDir(), "store")}
	r.cfg = writeFile(t, filepath.Join(t.TempDir(), "sidekey.yaml"), fmt.Sprintf(
		"store: {kind: %s, local: {dir: %s}, aws: {table: %s, kms_key: alias/made}}\n", kind, r.dir, r.w.Table))
	return r
}

// command prepares one, with standard input.
func (r *storeRig) command(stdin string, args ...string) *exec.Cmd {
	cmd := exec.Command("sidekey", append(args, "--config", r.cfg)...)
	cmd.Dir, cmd.Stdin = filepath.Dir(r.cfg), strings.NewReader(stdin)
	cmd.Env = append(append(os.Environ(), r.w.Env()...), r.env...)
	return cmd
}

// An output is how a command ended.
type output struct {
	status   int
	out, err string
}

// run runs a command to its end. Nothing may show a key.
func (r *storeRig) run(stdin string, args ...string) output {
	r.Helper()
	var o output
	cmd := r.command(stdin, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		r.Fatal(err)
	}
	o = output{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	r.shows(o.out + o.err)
	return o
}

// shows fails the test if the text has a key in it.
func (r *storeRig) shows(text string) {
	r.Helper()
	if strings.Contains(text, "CAN"+"ARY") {
		r.Error("the output shows a key")
	}
}

// wants runs a command and fails the test unless it ends with the status and
// says, on one of its outputs, each of the words.
func (r *storeRig) wants(status int, words []string, args ...string) output {
	r.Helper()
	o := r.run("", args...)
	if o.status != status {
		r.Fatalf("%v: status %d, want %d\n%s%s", args, o.status, status, o.out, o.err)
	}
	for _, want := range words {
		if !strings.Contains(o.out+o.err, want) {
			r.Errorf("%v: got\n%s%swant %s", args, o.out, o.err, want)
		}
	}
	return o
}

// aws and local open the stores in this process.
func (r *storeRig) aws() credstore.Backend {
	r.Helper()
	sdk := r.w.SDK()
	a, err := credstore.OpenAWS(r.Context(), credstore.AWSConfig{Table: r.w.Table, KMSKey: "alias/made", SDK: &sdk})
	if err != nil {
		r.Fatal(err)
	}
	return a.Backend()
}

func (r *storeRig) local() credstore.Backend {
	r.Helper()
	l, err := credstore.OpenLocal(credstore.LocalConfig{Dir: r.dir, Create: true})
	if err != nil {
		r.Fatal(err)
	}
	defer l.Close() // what was loaded stays valid
	return l.Backend()
}

// fill stores two keys and the settings of each of some chatbots.
func (r *storeRig) fill(b credstore.Backend, chatbots int) {
	r.Helper()
	o := credstore.NewOwner(b)
	for n := range chatbots {
		for _, slug := range []provider.Slug{provider.OpenAI, provider.XAI} {
			key := fmt.Sprintf("sk-CANARY-%s-%04d-0123456789", slug, n)
			if _, err := o.Set(r.Context(), fmt.Sprintf("bot%d", n), slug, credstore.NewSecret([]byte(key)), credstore.SetOptions{Account: "acme", Label: key[10:14]}); err != nil {
				r.Fatal(err)
			}
		}
	}
}

// items describes every item of a store, with a digest of its secret.
func (r *storeRig) items(b credstore.Backend) map[string]string {
	r.Helper()
	ctx := context.WithoutCancel(r.Context())
	ids, err := b.Store.Chatbots(ctx, "")
	if err != nil {
		r.Fatal(err)
	}
	out := map[string]string{}
	for _, id := range ids {
		rec, err := b.Store.Load(ctx, id, credstore.Latest)
		if err != nil {
			r.Fatal(err)
		}
		for _, k := range rec.Keys {
			plain, err := b.Cipher.Decrypt(ctx, k.Ciphertext, map[string]string{"app": "sidekey", "table": b.Table, "chatbot_id": id, "item": k.Item})
			if err != nil {
				r.Fatalf("%s of %s does not open: %v", k.Item, id, err)
			}
			out[id+" "+k.Item] = fmt.Sprintf("%s %s %d %v %v %x", k.Hint, k.Label, k.Version, k.CreatedAt.UTC(), k.UpdatedAt.UTC(), sha256.Sum256(plain))
		}
		if s := rec.Settings; s != nil {
			out[id+" settings"] = fmt.Sprint(s.AccountID, s.BYOKEnabled, s.Version, s.UpdatedAt.UTC())
		}
	}
	return out
}

// whole fails the test unless each item of the destination is that of the
// source, and settings are there only with all keys.
func (r *storeRig) whole(source, destination map[string]string) {
	r.Helper()
	for item, got := range destination {
		if got != source[item] {
			r.Errorf("%s is %s, want %s", item, got, source[item])
		}
		if chatbot, isSettings := strings.CutSuffix(item, " settings"); isSettings {
			for _, slug := range []provider.Slug{provider.OpenAI, provider.XAI} {
				if destination[chatbot+" "+credstore.KeyItem(slug, 1)] == "" {
					r.Errorf("the settings of %s are there and its %s key is not", chatbot, slug)
				}
			}
		}
	}
}

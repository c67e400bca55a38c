package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const canary = "vck_CANARY-gateway-7f3a9bb2"

func TestSecretsAreReadFromVariableAndFile(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "key"), "\n "+canary+"\r\n")
	ld := mustLoad(t, testEnv{"GATEWAY_KEY": canary + "\n"},
		"gateway: {key: env:GATEWAY_KEY, owner_traffic_key: 'file:"+path+"'}\n")
	if string(ld.Proxy.Gateway.Key.Reveal()) != canary {
		t.Error("gateway.key differs from the variable")
	}
	if string(ld.Proxy.Gateway.OwnerTrafficKey.Reveal()) != canary {
		t.Error("gateway.owner_traffic_key differs from the file without its blanks")
	}
	if len(ld.Warnings) > 0 {
		t.Errorf("warnings: %v", ld.Warnings)
	}
}

func TestLoadedConfigurationDoesNotPrintSecrets(t *testing.T) {
	ld := mustLoad(t, testEnv{"K": canary}, "gateway: {key: env:K}\n")
	asJSON, err := json.Marshal([]any{ld.Config, ld.Secrets, ld.Proxy})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprintf("%v", ld), fmt.Sprintf("%+v", *ld), fmt.Sprintf("%#v", ld), string(asJSON)} {
		if strings.Contains(out, "CANARY") {
			t.Error("a printed configuration holds the secret")
		}
	}
}

func TestSecretFileReadableByOthersIsWarnedOf(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "key"), canary)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	ld := mustLoad(t, testEnv{}, "gateway: {key: 'file:"+path+"'}\n")
	if len(ld.Warnings) != 1 || !strings.Contains(ld.Warnings[0].String(), "chmod 600") || ld.Warnings[0].Line != 1 {
		t.Errorf("got %v, want one warning with its line that says chmod 600", ld.Warnings)
	}
}

func TestUnusableSecretFilesAreProblems(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(path, want string) {
		t.Helper()
		_, problems := testEnv{}.loader(configFile(t, "gateway: {key: 'file:"+path+"'}\n")).loadAll()
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("got %v, want one problem with %q", problems, want)
		}
	}
	f(writeFile(t, filepath.Join(dir, "empty"), " \n"), "is empty")
	f(writeFile(t, filepath.Join(dir, "huge"), strings.Repeat("x", maxRefBytes+1)), "larger than 256KiB")
	f(filepath.Join(dir, "missing"), "does not exist")
	f(dir, "not a regular file")
	f(fifo, "not a regular file") // opening it would block for ever
}

func TestChangedSecretChangesTheSum(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "key"), "one")
	l := testEnv{}.loader(configFile(t, "gateway: {key: 'file:"+path+"'}\n"))
	first, _ := l.loadAll()
	same, _ := l.loadAll()
	writeFile(t, path, "two")
	second, _ := l.loadAll()
	if first.Sum != same.Sum {
		t.Error("the sum changed without a change")
	}
	if first.Sum == second.Sum {
		t.Error("the sum did not change with the secret")
	}
}

// A file's mode and owner, as the system tells them.
type ownedFile struct {
	fs.FileInfo
	mode fs.FileMode
	uid  uint32
}

func (f ownedFile) Mode() fs.FileMode { return f.mode }
func (f ownedFile) Sys() any          { return &syscall.Stat_t{Uid: f.uid} }

// Kubernetes mounts a secret as root's, with the group of the pod: no user could
// follow an advice to close it further.
func TestFilesThatOthersCanReadAreWarnedOf(t *testing.T) {
	const user = 65532
	for _, c := range []struct {
		mode fs.FileMode
		uid  uint32
		user int
		want bool
	}{
		{0o400, user, user, false}, {0o600, user, user, false}, {0o640, user, user, true}, {0o604, user, user, true},
		{0o440, 0, user, false}, {0o640, 0, user, false}, {0o444, 0, user, true}, {0o460, 0, user, true},
		{0o440, 0, 0, true}, {0o400, 0, 0, false}, {0o440, user + 1, user, true},
	} {
		if got := tooOpen(ownedFile{mode: c.mode, uid: c.uid}, c.user); got != c.want {
			t.Errorf("mode %04o of user %d, read by %d: got %v, want %v", c.mode, c.uid, c.user, got, c.want)
		}
	}
}

func TestLooksLikeKey(t *testing.T) {
	for _, s := range []string{"sk-proj-abcdefghij", "AIzaSyA-1234567890", "xai-abcdefghij", "gsk_abcdefghijk", "0123456789abcdef0123456789abcdef"} {
		if !looksLikeKey(s) {
			t.Errorf("%q was not taken for a key", s)
		}
	}
	for _, s := range []string{"", "demo", "keys", "sk-", "openai", "anthropic", "https://llm.example.com/v1", "completely-ordinary-words-here"} {
		if looksLikeKey(s) {
			t.Errorf("%q was taken for a key", s)
		}
	}
}

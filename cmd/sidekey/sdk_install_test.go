package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sdkFiles is where package.json, its lock and the scripts are.
const sdkFiles = "testdata/sdk"

// oldestNode is the oldest Node.js that the scripts are known to run on.
const oldestNode = 20

// missing skips a test that the machine cannot run, and fails it in CI, where
// a test that is skipped would never be missed.
func missing(t *testing.T, what string) {
	t.Helper()
	words := "THE SDK CLIENTS ARE NOT TESTED: " + what
	if os.Getenv("CI") == "true" {
		t.Fatal(words)
	}
	t.Skip(words)
}

// findNode returns the paths of node and npm.
func findNode(t *testing.T) (node, npm string) {
	t.Helper()
	const install = " is not installed; install Node.js 20 or later with npm (nodejs.org, or the system's packages nodejs and npm)"
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node"+install)
	}
	if npm, err = exec.LookPath("npm"); err != nil {
		missing(t, "npm"+install)
	}
	out, err := exec.CommandContext(t.Context(), node, "--version").Output()
	if err != nil {
		t.Fatalf("node --version: %v", err)
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		missing(t, "node "+version+" is too old; install Node.js 20 or later")
	}
	return node, npm
}

// installSDKs returns a folder with the locked SDKs in node_modules. It is
// kept from run to run under the lock file's digest; several tests may install
// at once, and the first to finish wins.
func installSDKs(t *testing.T, npm string) string {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(sdkFiles, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	cache = filepath.Join(cache, "sidekey-test")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "sdk-"+hex.EncodeToString(sum[:]))
	if _, err := os.Stat(dir); err == nil { // it is there whole, or not at all: see Rename
		return dir
	}
	fresh, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		copyFile(t, filepath.Join(sdkFiles, name), filepath.Join(fresh, name))
	}
	npmCI(t, npm, fresh)
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// npmCI installs what the lock says, without running anybody's scripts. npm
// checks each package against the digest in the lock.
func npmCI(t *testing.T, npm, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts",
		"--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
	case unreachable.Match(out):
		missing(t, "the package registry cannot be reached")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		missing(t, "npm ci did not end within 5 minutes")
	default:
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// unreachable finds in npm's output that the registry did not answer. A package
// with another digest than the lock's (EINTEGRITY) must not read so.
var unreachable = regexp.MustCompile(`npm (?:error|ERR!) code (?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|E5\d\d)\b`)

// sdkScripts returns a folder with the scripts, from which they find the SDKs:
// modules are looked up beside the script, and nowhere else.
func sdkScripts(t *testing.T, installed string) string {
	t.Helper()
	dir := t.TempDir()
	scripts, err := filepath.Glob(filepath.Join(sdkFiles, "*.mjs"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("got %d scripts and error %v", len(scripts), err)
	}
	for _, s := range scripts {
		copyFile(t, s, filepath.Join(dir, filepath.Base(s)))
	}
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSDKLockNamesNoRegistry keeps the lock usable behind any mirror: with a
// "resolved" address in it, npm goes there.
func TestSDKLockNamesNoRegistry(t *testing.T) {
	lock, err := os.ReadFile(filepath.Join(sdkFiles, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(lock, []byte(`"resolved"`)) || bytes.Contains(lock, []byte("registry")) {
		t.Error("package-lock.json holds addresses; make it again as README.md says")
	}
	if got, want := bytes.Count(lock, []byte(`"integrity": "sha512-`)), bytes.Count(lock, []byte(`"node_modules/`)); got != want {
		t.Errorf("%d of %d packages have a digest, want all", got, want)
	}
	if _, err := os.Stat(filepath.Join(sdkFiles, "node_modules")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("node_modules lies in the repository; remove it")
	}
}

// Package npmtest installs packages of the npm registry for tests: real SDK
// clients, a real dynalite. Only tests may import it.
//
// What is installed is named by a package.json and pinned, with a digest for
// each package, by its lock file, both of which are committed. It is kept from
// run to run in the user's cache folder. On a machine that cannot install it a
// test is skipped loudly; in CI it fails, for there nobody would miss it.
package npmtest

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

// oldest is the oldest Node.js that the tests' scripts are known to run on.
const oldest = 20

// A Set is a set of npm packages.
type Set struct {
	Name  string // in the cache folder
	Loss  string // what is not tested without it, said when a test is skipped
	Files fs.FS  // with package.json, package-lock.json and .npmrc
}

// missing skips a test that the machine cannot run, and fails it in CI.
func (s *Set) missing(t testing.TB, why string) {
	t.Helper()
	words := s.Loss + " IS NOT TESTED: " + why
	if os.Getenv("CI") == "true" {
		t.Fatal(words)
	}
	t.Skip(words)
}

// Node returns the path of node. It skips the test if there is none, or one
// that is too old.
func (s *Set) Node(t testing.TB) string {
	t.Helper()
	node := s.find(t, "node")
	out, err := exec.Command(node, "--version").Output()
	if err != nil {
		t.Fatalf("node --version: %v", err)
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldest {
		s.missing(t, "node "+version+" is too old; install Node.js 20 or later")
	}
	return node
}

func (s *Set) find(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		s.missing(t, name+" is not installed; install Node.js 20 or later with npm (nodejs.org, or the system's packages nodejs and npm)")
	}
	return path
}

// Install returns a folder with the locked packages in node_modules. Several
// processes may install at once, and the first to finish wins.
func (s *Set) Install(t testing.TB) string {
	t.Helper()
	npm := s.find(t, "npm")
	lock := s.read(t, "package-lock.json")
	checkLock(t, lock)
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	cache = filepath.Join(cache, "sidekey-test")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, s.Name+"-"+hex.EncodeToString(sum[:]))
	if _, err := os.Stat(dir); err == nil { // it is there whole, or not at all: see Rename
		return dir
	}
	fresh, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		if err := os.WriteFile(filepath.Join(fresh, name), s.read(t, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.ci(t, npm, fresh)
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (s *Set) read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := fs.ReadFile(s.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ci installs what the lock says, without running anybody's scripts. npm
// checks each package against the digest in the lock.
func (s *Set) ci(t testing.TB, npm, dir string) {
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
		s.missing(t, "the package registry cannot be reached")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		s.missing(t, "npm ci did not end within 5 minutes")
	default:
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// unreachable finds in npm's output that the registry did not answer. A package
// with another digest than the lock's (EINTEGRITY) must not read so.
var unreachable = regexp.MustCompile(`npm (?:error|ERR!) code (?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|E5\d\d)\b`)

// checkLock keeps the lock usable behind any mirror: with a "resolved" address
// in it, npm goes there. And each package must have a digest.
func checkLock(t testing.TB, lock []byte) {
	t.Helper()
	if bytes.Contains(lock, []byte(`"resolved"`)) || bytes.Contains(lock, []byte("registry")) {
		t.Error("package-lock.json holds addresses; make it again with omit-lockfile-registry-resolved=true in .npmrc")
	}
	if got, want := bytes.Count(lock, []byte(`"integrity": "sha512-`)), bytes.Count(lock, []byte(`"node_modules/`)); got != want || want == 0 {
		t.Errorf("%d of %d packages in package-lock.json have a digest, want all", got, want)
	}
}

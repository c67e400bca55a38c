package bench

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// testYard is a yard in which a step of a check may take so long.
func testYard(t *testing.T, patience time.Duration) *yard {
	t.Helper()
	y, err := newYard(nil)
	if err != nil {
		t.Fatal(err)
	}
	y.patience = patience
	t.Cleanup(func() {
		if err := y.close(); err != nil {
			t.Error(err)
		}
	})
	return y
}

// testPeer finds a peer of this machine. In CI all but those that take minutes
// to make must be there.
func testPeer(t *testing.T, name string) *Peer {
	t.Helper()
	slow := name == "caddy" || name == "portkey"
	w, err := newWorkshop(slow && os.Getenv("SIDEKEY_BENCH_MAKE") == "", func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	found, out, err := findPeers(t.Context(), w, []string{name})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 1 {
		return found[0]
	}
	if os.Getenv("CI") == "true" && !slow {
		t.Fatalf("CI needs %s: %s", name, out[0].Why)
	}
	t.Skipf("SKIPPED: %s IS NOT TESTED: %s (with SIDEKEY_BENCH_MAKE=1 this test makes it)", name, out[0].Why)
	return nil
}

func TestEachPeerDoesTheJob(t *testing.T) {
	for _, name := range PeerNames() {
		t.Run(name, func(t *testing.T) {
			p := testPeer(t, name)
			if p.Version == "" || p.Version == "unknown" {
				t.Errorf("version %q", p.Version)
			}
			for _, secure := range []bool{false, true} {
				if err := p.check(t.Context(), testYard(t, time.Minute), secure); err != nil {
					t.Errorf("TLS %v: %v", secure, err)
				}
			}
		})
	}
}

// spoil changes a peer's configuration after it was filled in. Every change must
// hit.
func spoil(t *testing.T, p *Peer, file string, changes ...string) *Peer {
	spoilt := *p
	spoilt.prepare = func(_ context.Context, s site) error {
		name := filepath.Join(s.Dir, file)
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for i := 0; i < len(changes); i += 2 {
			if !strings.Contains(string(text), changes[i]) {
				t.Errorf("%s has no %q to spoil", file, changes[i])
			}
		}
		return os.WriteFile(name, []byte(strings.NewReplacer(changes...).Replace(string(text))), 0o600)
	}
	return &spoilt
}

// Each way in which a proxy could have it easier, or harder, than the others.
func TestThePeersCheckFindsOutWhoDoesAnotherJob(t *testing.T) {
	files := map[string]string{"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}
	for name, c := range map[string]struct {
		peer    string // nginx if empty
		secure  bool
		changes []string
		want    string
	}{
		"events are buffered":           {peer: "haproxy", changes: []string{"http-request set-header", "http-response wait-for-body time 1m at-least 8000\n\thttp-request set-header"}, want: "it holds events back: number 1 of a stream did not come through while the stream was open"},
		"the header is missing":         {changes: []string{"proxy_set_header Authorization", "proxy_set_header X-Other"}, want: `the upstream saw Authorization ["Bearer of-the-caller"], want ["Bearer sidekey-bench"]`},
		"large bodies are buffered":     {changes: []string{"proxy_request_buffering off", "proxy_request_buffering on"}, want: "it holds large bodies back: the first half of one did not come through before the second was sent"},
		"the upstream is dialled anew":  {changes: []string{`proxy_set_header Connection ""`, `proxy_set_header Connection close`}, want: "it keeps no connections to the upstream: 20 for 20 requests in a row"},
		"clients have to dial anew":     {changes: []string{"keepalive_timeout 1h;\n\t# Image", "keepalive_timeout 0;\n\t# Image"}, want: "it keeps no connections to clients: 21 for 21 requests in a row"},
		"HTTP/1.0 upstream":             {changes: []string{"proxy_http_version 1.1", "proxy_http_version 1.0"}, want: "it speaks HTTP/1.0 to the upstream, want HTTP/1.1"},
		"the reply is altered":          {changes: []string{"proxy_pass ", "sub_filter judged altered; sub_filter_types *; proxy_pass "}, want: "it alters the reply: "},
		"the request's body is altered": {changes: []string{"proxy_pass ", "proxy_set_body altered; proxy_pass "}, want: "it alters the request's body: "},
		"nobody is asked":               {changes: []string{"proxy_pass ", "return 503; proxy_pass "}, want: "it answers a request with status 503: "},
		"a stranger is trusted":         {secure: true, changes: []string{"proxy_ssl_verify on", "proxy_ssl_verify off"}, want: "it does not verify who answers: an upstream with a stranger's certificate got its request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.peer == "" {
				c.peer = "nginx"
			}
			err := spoil(t, testPeer(t, c.peer), files[c.peer], c.changes...).check(t.Context(), testYard(t, 5*time.Second), c.secure)
			if err == nil || !strings.Contains(err.Error(), c.peer+": "+c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAPeerThatDoesNotStartSaysWhyAndLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	y := testYard(t, time.Minute)
	p := spoil(t, testPeer(t, "nginx"), "nginx.conf", "worker_processes", "worker_processors")
	_, err := p.start(t.Context(), y, "127.0.0.1:1", false)
	if err == nil || !strings.HasPrefix(err.Error(), "nginx: it ended at once; it printed: ") || !strings.Contains(err.Error(), `unknown directive "worker_processors"`) {
		t.Errorf("got %v", err)
	}
	leftBehind(t, os.Getenv("TMPDIR"), 1) // the yard's own
}

// leftBehind looks for folders of peers.
func leftBehind(t *testing.T, dir string, want int) {
	t.Helper()
	if names, err := filepath.Glob(filepath.Join(dir, "sidekey-bench-*")); err != nil || len(names) != want {
		t.Errorf("folders left: %v (%v), want %d", names, err, want)
	}
}

// If one of the fleet cannot be started, those before it are stopped.
func TestAFleetThatCannotStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	good := testPeer(t, "nginx")
	y := testYard(t, time.Minute)
	var first *peerProcess
	watched := *good
	watched.prepare = func(context.Context, site) error { return nil }
	bad := *good
	bad.prepare = func(context.Context, site) error { return errors.New("not today") }
	f, err := startFleet(t.Context(), y, []*Peer{&watched}, "127.0.0.1:1", false)
	if err != nil {
		t.Fatal(err)
	}
	first = f[0].child
	if !alive(first.pid()) {
		t.Error("the peer does not run")
	}
	if err := f.stop(); err != nil || alive(first.pid()) {
		t.Errorf("after stop: %v, alive %v", err, alive(first.pid()))
	}
	if _, err := startFleet(t.Context(), y, []*Peer{&watched, &bad}, "127.0.0.1:1", false); err == nil || err.Error() != "nginx: not today" {
		t.Errorf("got %v", err)
	}
	leftBehind(t, os.Getenv("TMPDIR"), 1)
	if runs := processesOf(t, os.Getenv("TMPDIR")); len(runs) > 0 {
		t.Errorf("processes left: %v", runs)
	}
}

// processesOf finds processes whose command line names a folder.
func processesOf(t *testing.T, dir string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if text, _ := os.ReadFile(name); strings.Contains(string(text), dir) {
			found = append(found, name+": "+strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

// The house asks for the reason of each line: a comment above it, or behind it.
func TestEachLineOfAPeersConfigurationHasAReason(t *testing.T) {
	comment := regexp.MustCompile(`^\s*(#|//)`)
	trivial := regexp.MustCompile(`^\s*(\}.*|\{\{-? .*\}\}|.*\{|(frontend|backend) \w+|\w[\w-]*|\w+:)?\s*$`) // an end, a condition of the template, the head of a block
	for _, name := range []string{"nginx.conf", "haproxy.cfg", "Caddyfile", "sidekey.yaml"} {
		above, directives := false, 0
		for i, line := range strings.Split(peerText(name), "\n") {
			switch {
			case comment.MatchString(line):
				above = true
				continue
			case trivial.MatchString(line):
				continue
			case !above && !regexp.MustCompile(`\s(#|//) `).MatchString(line):
				t.Errorf("%s:%d has no reason: %s", name, i+1, line)
			}
			above = false
			directives++
		}
		if directives < 10 {
			t.Errorf("%s: %d directives seen: the test looks at the wrong place", name, directives)
		}
	}
}

// Only what is named in the package's text may be filled in.
func TestPeersFilesAreTemplatesForAddressesAndPathsOnly(t *testing.T) {
	known := map[string]bool{
		"{{.Listen}}": true, "{{.Host}}": true, "{{.Admin}}": true, "{{.Upstream}}": true, "{{.CA}}": true, "{{.Dir}}": true, "{{.Workers}}": true,
		"{{.Authorization}}": true, "{{.Credential}}": true,
		"{{if .CA}}": true, "{{- if .CA}}": true, "{{else}}": true, "{{- else}}": true, "{{end}}": true, "{{- end}}": true,
	}
	seen := 0
	err := fs.WalkDir(peerFiles, "peers", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "package-lock.json") {
			return err
		}
		for _, action := range regexp.MustCompile(`\{\{.*?\}\}`).FindAllString(peerText(strings.TrimPrefix(name, "peers/")), -1) {
			seen++
			if !known[action] {
				t.Errorf("%s: %s", name, action)
			}
		}
		return nil
	})
	if err != nil || seen < 20 {
		t.Errorf("%d actions seen, %v", seen, err)
	}
}

// Portkey's lock must pin each package by its digest, and name no registry.
func TestPortkeysLockPinsEachPackage(t *testing.T) {
	lock := peerText("portkey/package-lock.json")
	if strings.Contains(lock, `"resolved"`) || strings.Contains(lock, "registry") {
		t.Error("package-lock.json holds addresses; make it again with omit-lockfile-registry-resolved=true in .npmrc")
	}
	if got, want := strings.Count(lock, `"integrity": "sha512-`), strings.Count(lock, `"node_modules/`); got != want || want == 0 {
		t.Errorf("%d of %d packages have a digest, want all", got, want)
	}
}

// The fasthttp proxy is to be sidekey's own floor, so of the same version.
func TestTheFastHTTPProxyHasTheVersionOfSidekey(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "github.com/valyala/fasthttp " + fasthttpVersion() + "\n"; !strings.Contains(string(mod), want) {
		t.Errorf("bench/peers/fasthttp/go.mod.txt has %s, go.mod has not", want)
	}
}

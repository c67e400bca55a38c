package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCPUProfileHoldsNoData sends keys through a process that writes a profile.
func TestCPUProfileHoldsNoData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpu.pprof")
	p := launch(t, "gateway: {url: 'http://127.0.0.1:9', key: env:KEY}\n", profileVariable+"="+path)
	for range 20 {
		call(t, "POST", p.url+"/v1/chat/completions", `{"model":"openai/gpt-5","user":"`+canary+`"}`)
	}
	p.term()
	if status := p.ended(); status != 0 {
		t.Fatalf("exit status=%d:\n%s", status, p.logs.String())
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode=%v, %v, want 0600", info.Mode(), err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("the profile is not whole: %v", err)
	}
	if !bytes.Contains(profile, []byte("nanoseconds")) {
		t.Error("this is no profile of CPU time")
	}
	if bytes.Contains(profile, []byte("CANARY")) {
		t.Error("the profile holds what was sent")
	}
}

func TestCPUProfileThatCannotBeWrittenIsRefused(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("sidekey", "serve", "--config", writeFile(t, filepath.Join(dir, "sidekey.yaml"), "admin: {listen: 127.0.0.1:0}\nlisten: 127.0.0.1:0\n"))
	cmd.Dir, cmd.Env = dir, append(os.Environ(), profileVariable+"="+filepath.Join(dir, "missing", "cpu.pprof"))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), profileVariable+": name a file that can be written") {
		t.Errorf("err=%v, said:\n%s", err, out)
	}
}

// TestNothingCanBeProfiledOverTheNetwork asks the Go tool: importing one of
// these packages is enough for a door of theirs. And it knocks.
func TestNothingCanBeProfiledOverTheNetwork(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkg struct{ Deps []string }
	if err := json.Unmarshal(out, &pkg); err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, dep := range pkg.Deps {
		seen = seen || dep == "net/http"
		switch dep {
		case "net/http/pprof", "golang.org/x/net/trace":
			t.Errorf("%s is linked into the program, and shows what is in its memory to whoever asks", dep)
		}
	}
	if !seen {
		t.Error("net/http is not linked either: the test looks at the wrong place")
	}
	// The Prometheus library brings expvar along, which opens its door in
	// net/http's own mux: no listener may serve that.
	r := serve(t, "gateway: {url: 'http://127.0.0.1:9', key: env:KEY}\n", withKey)
	for _, path := range []string{"/debug/vars", "/debug/pprof/"} {
		if status, text := call(t, "GET", r.admin+path, ""); status != 404 {
			t.Errorf("the admin address serves %s: %d %.100s", path, status, text)
		}
	}
	page := r.console()
	page.do("GET", "/debug/vars", "", "", 404, nil)
}

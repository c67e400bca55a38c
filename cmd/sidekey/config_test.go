package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the expected output of testdata/bad anew")

// testEnv is an environment for one test.
type testEnv map[string]string

func (e testEnv) lookup(name string) (string, bool) { v, ok := e[name]; return v, ok }

func (e testEnv) environ() []string {
	var out []string
	for k, v := range e {
		out = append(out, k+"="+v)
	}
	return out
}

func (e testEnv) loader(file string) *loader {
	return &loader{flag: file, lookup: e.lookup, environ: e.environ}
}

// runWith runs one command line in this process.
func runWith(t *testing.T, env testEnv, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := newApp(strings.NewReader(stdin), &out, &errs)
	a.lookup, a.environ = env.lookup, env.environ
	status = a.run(t.Context(), args)
	return status, out.String(), errs.String()
}

func writeFile(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func configFile(t *testing.T, content string) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "sidekey.yaml"), content)
}

func mustLoad(t *testing.T, env testEnv, content string) *loaded {
	t.Helper()
	ld, problems := env.loader(configFile(t, content)).loadAll()
	for _, p := range problems {
		t.Errorf("problem: %v", p)
	}
	if t.Failed() {
		t.FailNow()
	}
	return ld
}

// Each file of testdata/bad is checked, and what check says must be exactly
// the text beside it: every problem at once, with line, path and remedy.
func TestCheckReportsEveryProblemOfABadFile(t *testing.T) {
	t.Chdir("testdata/bad")
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	env := testEnv{"EMPTY": " \n", "SHORT": "too-short", "GATEWAY_KEY": "k"}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			status, got, stderr := runWith(t, env, "", "check", "--config", file)
			if status != 1 || stderr != "" {
				t.Errorf("status %d, want 1; %d bytes on stderr, want none", status, len(stderr))
			}
			if strings.Contains(got, "CANARY") {
				t.Fatal("the output repeats a secret")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				writeFile(t, golden, got)
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

func TestDefaultsHoldWithoutAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	ld, problems := testEnv{}.loader("").loadAll()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if want := DefaultConfig(); !reflect.DeepEqual(ld.Config, want) {
		t.Errorf("got %+v, want %+v", ld.Config, want)
	}
}

func TestFileInWorkingFolderIsFound(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "sidekey.yaml", "identity: {chatbot: here}\n")
	ld, problems := testEnv{}.loader("").load()
	if len(problems) > 0 || ld.Config.Identity.Chatbot != "here" {
		t.Errorf("got chatbot %q, problems %v", ld.Config.Identity.Chatbot, problems)
	}
}

func TestMissingConfigFileIsAProblem(t *testing.T) {
	_, problems := testEnv{}.loader("/nonexistent/sidekey.yaml").loadAll()
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "does not exist") {
		t.Errorf("got %v, want one problem: does not exist", problems)
	}
}

// Dots, capitals and slashes in values and in lists survive viper, which
// lower-cases the keys of maps and cuts them at dots.
func TestNamesKeepDotsAndCapitals(t *testing.T) {
	ld := mustLoad(t, testEnv{}, `
detect: {rules: [{match: "openai/GPT-4.1*", provider: openai}]}
gateway:
  dialect: header
  auth_header: cf-aig-authorization
  headers: [{name: X-Team.Name, value: "A.b/{provider}"}]
`)
	if got, want := ld.Config.Detect.Rules, []Rule{{"openai/GPT-4.1*", "openai"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("rules: got %v, want %v", got, want)
	}
	if got, want := ld.Config.Gateway.Headers, []Header{{"X-Team.Name", "A.b/{provider}"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("headers: got %v, want %v", got, want)
	}
}

// A list in the file replaces the default, and a load never sees the one
// before.
func TestLoadsAreIndependent(t *testing.T) {
	file := configFile(t, "cache: {ttl: 1m}\nbyoi: {allow: [a.example.com]}\n")
	l := testEnv{}.loader(file)
	if ld, _ := l.load(); ld.Config.Cache.TTL != time.Minute || len(ld.Config.BYOI.Allow) != 1 {
		t.Fatalf("got %v %v", ld.Config.Cache.TTL, ld.Config.BYOI.Allow)
	}
	writeFile(t, file, "cache: {recheck: 2h}\n")
	ld, problems := l.load()
	if ld.Config.Cache.TTL != 5*time.Minute || len(ld.Config.BYOI.Allow) != 0 || len(problems) > 0 {
		t.Errorf("got ttl %v, allow %v, problems %v; want the defaults", ld.Config.Cache.TTL, ld.Config.BYOI.Allow, problems)
	}
}

func TestHeaderModeIsAllowedWhereOnlyTrustedPeersConnect(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", "localhost:0", "unix:/run/sidekey.sock"} {
		_, problems := testEnv{}.loader(configFile(t, "listen: '"+listen+"'\nidentity: {mode: header}\ngateway: {key: env:K}\n")).load()
		if len(problems) > 0 {
			t.Errorf("listen %s: %v", listen, problems)
		}
	}
}

func TestSizesAndDurationsAreWrittenWithUnits(t *testing.T) {
	ld := mustLoad(t, testEnv{}, "limits: {body: 1GiB, header: 64 KiB}\ntimeouts: {dial: 1m30s}\n")
	if got := ld.Config.Limits.Body; got != 1<<30 {
		t.Errorf("body: got %d, want %d", got, 1<<30)
	}
	if got := ld.Config.Limits.Header; got != 64<<10 {
		t.Errorf("header: got %d, want %d", got, 64<<10)
	}
	if got := ld.Config.Timeouts.Dial; got != 90*time.Second {
		t.Errorf("dial: got %v, want 1m30s", got)
	}
}

func FuzzAnyBytesAreAConfigurationOrAProblem(f *testing.F) {
	for _, seed := range []string{"listen: 127.0.0.1:1\n", "a: &a [*a]\n", "gateway: {key: env:X, headers: [{name: a, value: b}]}", "<<: *x\n", "? [a]\n: b\n", "limits: {body: 9999999999999GiB}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := readYAML("fuzz.yaml", data)
		var cfg Config
		if err := decode(&cfg, r.values, nil); err != nil {
			t.Errorf("what was read without a problem cannot be decoded: %v", err)
		}
		for _, p := range append(r.problems, validate(&cfg)...) {
			if strings.ContainsAny(p.String(), "\n\r\x1b") {
				t.Errorf("a problem is not one line: %q", p)
			}
		}
	})
}

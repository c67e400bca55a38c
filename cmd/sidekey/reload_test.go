package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// A reloading is a watcher and a reloader on real files, with the outcomes as
// they come and the configurations as they are put in force.
type reloading struct {
	t        *testing.T
	file     string
	reloader *reloader
	outcomes chan Outcome
	mu       sync.Mutex
	inForce  Config
}

func startReloading(t *testing.T, file string, env testEnv, poll time.Duration) *reloading {
	t.Helper()
	l := env.loader(file)
	start, problems := l.loadAll()
	if len(problems) > 0 {
		t.Fatal(&ConfigError{problems})
	}
	r := &reloading{t: t, file: file, outcomes: make(chan Outcome, 100), inForce: start.Config}
	r.reloader = newReloader(start, l.loadAgain(start), func(ld *loaded) []Problem {
		if problems := refuseFixed(r.reloader.current, ld); len(problems) > 0 {
			return problems
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.inForce = ld.Config
		return nil
	}, zerolog.Nop())
	looked := make(chan struct{}, 1)
	w := &watcher{
		files: r.reloader.Files, settle: 20 * time.Millisecond, poll: poll, log: zerolog.Nop(),
		look: func() {
			if o := r.reloader.Reload("file"); o.Result != unchanged {
				r.outcomes <- o
			}
			select {
			case looked <- struct{}{}:
			default:
			}
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-looked // now the folders are watched
	return r
}

func (r *reloading) config() Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inForce
}

// next waits for an outcome.
func (r *reloading) next() Outcome {
	r.t.Helper()
	select {
	case o := <-r.outcomes:
		return o
	case <-time.After(10 * time.Second):
		r.t.Fatal("no reload within 10 s")
		panic("unreachable")
	}
}

// chatbot waits until the chatbot is in force.
func (r *reloading) chatbot(want string) {
	r.t.Helper()
	for range 10 {
		if r.config().Identity.Chatbot == want {
			return
		}
		r.next()
	}
	r.t.Fatalf("got chatbot %q, want %q", r.config().Identity.Chatbot, want)
}

// rejected waits for a rejection that says so.
func (r *reloading) rejected(words string) {
	r.t.Helper()
	o := r.next()
	if o.Result != rejected || !strings.Contains((&ConfigError{o.Problems}).Error(), words) {
		r.t.Fatalf("got %s %v, want rejected with %q", o.Result, o.Problems, words)
	}
}

func bot(name string) string { return "identity: {chatbot: " + name + "}\n" }

const never = time.Hour

func TestReloadAfterAWriteInPlace(t *testing.T) {
	r := startReloading(t, configFile(t, bot("one")), nil, never)
	writeFile(t, r.file, bot("two"))
	r.chatbot("two")
	writeFile(t, r.file, bot("three"))
	r.chatbot("three")
}

func TestReloadAfterAnAtomicReplacement(t *testing.T) {
	r := startReloading(t, configFile(t, bot("one")), nil, never)
	for _, name := range []string{"two", "three", "four"} {
		if err := os.Rename(writeFile(t, r.file+".new", bot(name)), r.file); err != nil {
			t.Fatal(err)
		}
		r.chatbot(name)
	}
}

func TestReloadAfterDeleteAndRecreate(t *testing.T) {
	r := startReloading(t, configFile(t, bot("one")), nil, never)
	for _, name := range []string{"two", "three"} {
		if err := os.Remove(r.file); err != nil {
			t.Fatal(err)
		}
		r.rejected("does not exist")
		if got := r.config().Identity.Chatbot; got == "demo" {
			t.Fatal("a missing file put the defaults in force")
		}
		writeFile(t, r.file, bot(name))
		r.chatbot(name)
	}
}

func TestEmptyAndHalfWrittenFilesKeepTheOldConfiguration(t *testing.T) {
	r := startReloading(t, configFile(t, bot("one")), nil, never)
	if err := os.Truncate(r.file, 0); err != nil {
		t.Fatal(err)
	}
	r.rejected("the file is empty")
	writeFile(t, r.file, "identity:\n  chat")
	r.rejected("identity: this is text")
	if got := r.config().Identity.Chatbot; got != "one" {
		t.Fatalf("got chatbot %q, want one", got)
	}
	writeFile(t, r.file, bot("two"))
	r.chatbot("two")
}

// Kubernetes mounts a ConfigMap as a link to a link to a folder, and swaps the
// middle one.
func TestReloadAfterAConfigMapSwap(t *testing.T) {
	dir := t.TempDir()
	swap := func(version, name string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, version, "sidekey.yaml"), bot(name))
		if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("..2026_1", "one")
	file := filepath.Join(dir, "sidekey.yaml")
	if err := os.Symlink("..data/sidekey.yaml", file); err != nil {
		t.Fatal(err)
	}
	r := startReloading(t, file, nil, never)
	swap("..2026_2", "two")
	r.chatbot("two")
	if err := os.RemoveAll(filepath.Join(dir, "..2026_1")); err != nil {
		t.Fatal(err)
	}
	swap("..2026_3", "three")
	r.chatbot("three")
}

func TestReloadAfterALinkIsTurnedElsewhere(t *testing.T) {
	a, b := configFile(t, bot("one")), configFile(t, bot("two"))
	link := filepath.Join(t.TempDir(), "sidekey.yaml")
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	r := startReloading(t, link, nil, never)
	if err := os.Symlink(b, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	r.chatbot("two")
	writeFile(t, b, bot("three"))
	r.chatbot("three")
}

func TestReloadAfterASecretsFileChanged(t *testing.T) {
	secret := writeFile(t, filepath.Join(t.TempDir(), "key"), "one")
	r := startReloading(t, configFile(t, "gateway: {key: 'file:"+secret+"'}\n"), nil, never)
	writeFile(t, secret, "two")
	for {
		// A write in place may be seen empty first.
		if o := r.next(); o.Result == applied {
			break
		}
	}
	if key := r.reloader.current.Secrets["gateway.key"]; string(key.Reveal()) != "two" {
		t.Error("the secret in force is not the new one")
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	r.rejected("does not exist")
}

// Without any event (network file systems send none; here the folder itself is
// made anew) the poll finds the change.
func TestPollFindsWhatNoEventTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etc")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := startReloading(t, writeFile(t, filepath.Join(dir, "sidekey.yaml"), bot("one")), nil, 50*time.Millisecond)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	r.rejected("does not exist")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, r.file, bot("two"))
	r.chatbot("two")
}

func TestUnchangedBytesAreNotApplied(t *testing.T) {
	r := startReloading(t, configFile(t, bot("one")), nil, never)
	for _, cause := range []string{"file", "SIGHUP", "admin"} {
		if o := r.reloader.Reload(cause); o.Result != unchanged {
			t.Errorf("%s: got %s, want unchanged", cause, o.Result)
		}
	}
	if got := r.reloader.Reloads(); got.Applied != 0 || got.Rejected != 0 {
		t.Errorf("got %+v, want no reload counted", got)
	}
}

func TestABadFileIsReportedOnceByTheWatcherAndAlwaysOnDemand(t *testing.T) {
	r := startReloading(t, configFile(t, bot("one")), nil, 20*time.Millisecond)
	writeFile(t, r.file, "identity: {chatbot: [x]}\n")
	r.rejected("this is a list")
	for range 3 {
		if o := r.reloader.Reload("file"); o.Result != unchanged {
			t.Errorf("watcher: got %s, want unchanged", o.Result)
		}
	}
	if o := r.reloader.Reload("admin"); o.Result != rejected || len(o.Problems) == 0 {
		t.Errorf("on demand: got %s with %d problems, want rejected", o.Result, len(o.Problems))
	}
	if last := r.reloader.Last(); last.Result != rejected {
		t.Errorf("last: got %s, want rejected", last.Result)
	}
	// Back to what is in force: the report must not stay.
	writeFile(t, r.file, bot("one"))
	for r.reloader.Last().Result != applied {
		r.next()
	}
}

func TestListenAdminAndStoreAreRefusedByNameAndNothingElseIsApplied(t *testing.T) {
	r := startReloading(t, configFile(t, bot("one")), nil, never)
	f := func(line, path string) {
		t.Helper()
		writeFile(t, r.file, bot("two")+line)
		var o Outcome
		for o = r.next(); o.Problems == nil || o.Problems[0].Path == ""; o = r.next() {
		}
		if o.Result != rejected || len(o.Problems) != 1 || o.Problems[0].Path != path || o.Problems[0].Line != 2 {
			t.Errorf("got %s %v, want %s refused in line 2", o.Result, o.Problems, path)
		}
		if got := r.config().Identity.Chatbot; got != "one" {
			t.Errorf("got chatbot %q, want one: the rest was applied", got)
		}
	}
	f("listen: 127.0.0.1:9\n", "listen")
	f("admin: {listen: '127.0.0.1:9'}\n", "admin.listen")
	f("store: {local: {dir: /elsewhere}}\n", "store.local.dir")
}

// The watcher and requests for a reload meet: one at a time, and the last file
// wins.
func TestReloadsFromAllSidesEndWithTheLastFile(t *testing.T) {
	r := startReloading(t, configFile(t, bot("one")), nil, 20*time.Millisecond)
	go func() {
		for range r.outcomes { // ends with the test's process; the channel is only drained
		}
	}()
	var wg sync.WaitGroup
	for _, cause := range []string{"admin", "SIGHUP", "file"} {
		wg.Go(func() {
			for range 50 {
				r.reloader.Reload(cause)
			}
		})
	}
	for range 20 {
		if err := os.Rename(writeFile(t, r.file+".new", bot("many")), r.file); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, r.file, bot("last"))
	wg.Wait()
	r.reloader.Reload("admin")
	if got := r.config().Identity.Chatbot; got != "last" {
		t.Errorf("got chatbot %q, want last", got)
	}
}

func TestFileThatAppearsLaterIsTaken(t *testing.T) {
	t.Chdir(t.TempDir())
	r := startReloading(t, "", nil, never)
	writeFile(t, "sidekey.yaml", bot("two"))
	r.chatbot("two")
	if err := os.Remove("sidekey.yaml"); err != nil {
		t.Fatal(err)
	}
	r.rejected("does not exist")
}

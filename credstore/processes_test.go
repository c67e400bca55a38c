package credstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// The tests here start the test binary again, in a role, so that several
// processes work on one store.
const (
	roleEnv = "CREDSTORE_TEST_ROLE"
	dirEnv  = "CREDSTORE_TEST_DIR"
)

// commits of each writer.
const commits = 100

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role, os.Getenv(dirEnv)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// play is what a process of a test does.
func play(role, dir string) error {
	l, err := OpenLocal(LocalConfig{Dir: dir, Create: true, Poll: 2 * time.Millisecond, LockWait: time.Minute})
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("ready")
	role, own, _ := strings.Cut(role, " ")
	switch role {
	case "writer":
		for range commits {
			if err := errors.Join(raise(l, own), raise(l, "shared")); err != nil {
				return err
			}
		}
		return nil
	case "endless":
		for {
			if err := raise(l, "shared"); err != nil {
				return err
			}
			rec, _ := l.Load(context.Background(), "shared", Latest)
			fmt.Println(rec.Settings.Version)
		}
	case "reader":
		return watchStore(l)
	}
	return fmt.Errorf("no role %q", role)
}

// raise adds one to the version of a chatbot's settings, and writes the
// version into another field as well, so that a mixture can be told.
func raise(l *Local, chatbot string) error {
	for {
		rec, err := l.Load(context.Background(), chatbot, Latest)
		if err != nil {
			return err
		}
		s := Settings{}
		if rec.Settings != nil {
			s = *rec.Settings
		}
		was := s.Version
		s.Version++
		s.AccountID = twin(s.Version)
		err = l.PutSettings(context.Background(), chatbot, &s, was)
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// twin is a long word for a version, so that it spans blocks.
func twin(version int64) string { return strings.Repeat(strconv.FormatInt(version, 10)+"-", 2000) }

// whole checks that what was loaded is one state, and returns its version.
func whole(l *Local, chatbot string) (int64, error) {
	rec, err := l.Load(context.Background(), chatbot, Latest)
	if err != nil || rec.Settings == nil {
		return 0, err
	}
	if rec.Settings.AccountID != twin(rec.Settings.Version) {
		return 0, fmt.Errorf("torn read of %s", chatbot)
	}
	return rec.Settings.Version, nil
}

// watchStore reads until the chatbot "done" is there.
func watchStore(l *Local) error {
	var rev, version, reads int64
	for {
		rec, err := l.Load(context.Background(), "done", Latest)
		if err != nil {
			return err
		}
		now := l.Rev()
		v, err := whole(l, "shared")
		if err != nil {
			return err
		}
		if err := l.Err(); err != nil {
			return fmt.Errorf("the file could not be read: %w", err)
		}
		if now < rev || v < version {
			return fmt.Errorf("rev went from %d to %d, version from %d to %d", rev, now, version, v)
		}
		if now > rev {
			reads++
		}
		rev, version = now, v
		if rec.Settings != nil {
			fmt.Println(reads)
			return nil
		}
		time.Sleep(time.Millisecond) // yields; nothing depends on how long
	}
}

func inRole(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), roleEnv+"="+role, dirEnv+"="+dir)
	return cmd
}

func TestTwoWritersAndThreeReadersInProcessesOfTheirOwn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	openLocal(t, dir).Close()
	type end struct {
		role, last string // what it said last
		err        error
	}
	ends := make(chan end)
	start := func(role string) {
		cmd := inRole(t, role, dir)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		if lines.Scan(); lines.Text() != "ready" {
			t.Fatalf("%s: %s", role, lines.Text())
		}
		go func() {
			e := end{role: role}
			for lines.Scan() {
				e.last = lines.Text()
			}
			e.err = cmd.Wait()
			ends <- e
		}()
	}
	for _, role := range []string{"reader", "reader", "reader", "writer a", "writer b"} {
		start(role)
	}
	var l *Local
	for left := 5; left > 0; left-- {
		e := <-ends
		if e.err != nil {
			t.Fatalf("%s: %v: %s", e.role, e.err, e.last)
		}
		if e.role == "reader" {
			if n, err := strconv.Atoi(e.last); err != nil || n < 2 {
				t.Errorf("a reader saw %q different states, so it has tested nothing", e.last)
			}
		}
		if left == 4 { // both writers are through
			l = openLocal(t, dir)
			must(t, l.PutSettings(t.Context(), "done", &Settings{Version: 1}, 0))
		}
	}
	for chatbot, want := range map[string]int64{"a": commits, "b": commits, "shared": 2 * commits} {
		if got, err := whole(l, chatbot); err != nil || got != want {
			t.Errorf("%s: version %d, want %d: commits were lost (error %v)", chatbot, got, want, err)
		}
	}
	if got, want := l.Rev(), int64(4*commits+1); got != want {
		t.Errorf("rev %d, want %d", got, want)
	}
}

func TestStoreThatManyMakeAtOnceIsMadeOnce(t *testing.T) {
	for range 5 {
		dir := filepath.Join(t.TempDir(), "store")
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				l, err := OpenLocal(LocalConfig{Dir: dir, Create: true})
				if err != nil {
					t.Error(err)
					return
				}
				defer l.Close()
				if _, err := NewOwner(l.Backend()).Set(t.Context(), fmt.Sprint(n), provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for l, n := openLocal(t, dir), 0; n < 6; n++ {
			holds(t, l, fmt.Sprint(n), "k")
		}
	}
}

func TestKilledWriterLeavesTheOldStateOrTheNewOneWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	openLocal(t, dir).Close()
	var kept int64
	for range 12 {
		cmd := inRole(t, "endless", dir)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		if lines.Scan(); lines.Text() != "ready" {
			t.Fatalf("writer: %s", lines.Text())
		}
		acknowledged := kept
		for n := rand.IntN(4); lines.Scan(); n-- {
			if acknowledged, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
				t.Fatalf("writer: %s", lines.Text())
			}
			if n <= 0 {
				break
			}
		}
		time.Sleep(rand.N(8 * time.Millisecond)) // a random moment of the next write; any will do
		must(t, cmd.Process.Kill())
		for lines.Scan() { // what it had said before it died
			if v, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				acknowledged = v
			}
		}
		cmd.Wait()
		l, err := OpenLocal(LocalConfig{Dir: dir})
		if err != nil {
			t.Fatalf("after the kill: %v", err)
		}
		got, err := whole(l, "shared")
		if err != nil || got < acknowledged || got > acknowledged+1 {
			t.Errorf("version %d after %d was acknowledged (error %v)", got, acknowledged, err)
		}
		must(t, raise(l, "shared")) // the dead writer's lock is gone
		kept = got + 1
		l.Close()
	}
	litter, err := filepath.Glob(filepath.Join(dir, ".records*"))
	if err != nil || len(litter) != 0 {
		t.Errorf("killed writers left %d files behind", len(litter))
	}
}

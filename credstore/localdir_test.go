package credstore

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"

	"github.com/sidekey/sidekey/provider"
)

// Each case spoils a good store. OpenLocal must refuse it, with or without
// leave to create, say what, where and what to do, and change nothing.
func TestSpoiltLocalStoreIsRefusedAndNothingIsLost(t *testing.T) {
	rewrite := func(change func(map[string]any)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, recordsName)
			b, err := os.ReadFile(path)
			must(t, err)
			var f map[string]any
			must(t, json.Unmarshal(b, &f))
			change(f)
			b, err = json.Marshal(f)
			must(t, err)
			must(t, os.WriteFile(path, b, 0o600))
		}
	}
	write := func(name, content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
	}
	chmod := func(name string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, name), mode)) }
	}
	for what, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  []string // what the error must mention
	}{
		"directory open to others":    {chmod("", 0o755), []string{"mode 0755", "chmod 700"}},
		"directory open to the group": {chmod("", 0o710), []string{"mode 0710", "chmod 700"}},
		"records world-readable":      {chmod(recordsName, 0o604), []string{recordsName, "mode 0604", "chmod 600"}},
		"records group-writable":      {chmod(recordsName, 0o620), []string{recordsName, "mode 0620", "chmod 600"}},
		"keyset world-readable":       {chmod(keysetName, 0o644), []string{keysetName, "mode 0644", "chmod 600"}},
		"records empty":               {write(recordsName, ""), []string{recordsName, "truncated", "backup"}},
		"records truncated": {func(t *testing.T, dir string) {
			info, err := os.Stat(filepath.Join(dir, recordsName))
			must(t, err)
			must(t, os.Truncate(filepath.Join(dir, recordsName), info.Size()/2))
		}, []string{recordsName, "truncated", "backup"}},
		"records not JSON":          {write(recordsName, "chatbots: {}\n"), []string{recordsName, "damaged", "backup"}},
		"records of something else": {write(recordsName, `{"name":"x"}`), []string{recordsName, "no sidekey records", "store.local.dir"}},
		"records null":              {write(recordsName, "null"), []string{recordsName, "no sidekey records"}},
		"newer format":              {rewrite(func(f map[string]any) { f["format"] = 4 }), []string{recordsName, "format 4", "newer sidekey"}},
		"unknown field":             {rewrite(func(f map[string]any) { f["shiny"] = true }), []string{recordsName, "shiny"}},
		"unknown field inside": {rewrite(func(f map[string]any) {
			f["chatbots"].(map[string]any)["bot"].(map[string]any)["keys"].(map[string]any)["openai"].(map[string]any)["shiny"] = 1
		}), []string{recordsName, "shiny"}},
		"chatbot null":            {rewrite(func(f map[string]any) { f["chatbots"].(map[string]any)["bot"] = nil }), []string{recordsName, `"bot"`}},
		"chatbot with a bad id":   {rewrite(func(f map[string]any) { f["chatbots"].(map[string]any)["b/t"] = map[string]any{} }), []string{recordsName, `"b/t"`}},
		"chatbots missing":        {rewrite(func(f map[string]any) { delete(f, "chatbots") }), []string{recordsName, "missing"}},
		"check missing":           {rewrite(func(f map[string]any) { delete(f, "check") }), []string{recordsName, keysetName}},
		"two documents":           {func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, recordsName), "{}") }, []string{recordsName, "damaged"}},
		"records missing":         {remove(recordsName), []string{recordsName, "is", "backup"}},
		"keyset missing":          {remove(keysetName), []string{keysetName, "is missing", recordsName, "backup"}},
		"keyset empty":            {write(keysetName, ""), []string{keysetName, "backup"}},
		"keyset not JSON":         {write(keysetName, "CANARY"), []string{keysetName, "backup"}},
		"keyset without keys":     {write(keysetName, "{}"), []string{keysetName, "backup"}},
		"keyset of another store": {otherKeyset, []string{keysetName, "not the keyset", recordsName}},
		"records a symbolic link": {link(recordsName), []string{recordsName, "symbolic link"}},
		"keyset a symbolic link":  {link(keysetName), []string{keysetName, "symbolic link"}},
		"records a directory":     {instead(recordsName, func(p string) error { return os.Mkdir(p, 0o700) }), []string{recordsName, "not a regular file"}},
		"records a pipe":          {instead(recordsName, func(p string) error { return syscall.Mkfifo(p, 0o600) }), []string{recordsName, "not a regular file"}},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			l := openLocal(t, dir)
			setLocal(t, l, "bot", "k")
			l.Close()
			c.spoil(t, dir)
			before := contents(t, dir)
			for _, create := range []bool{false, true} {
				l, err := OpenLocal(LocalConfig{Dir: dir, Create: create})
				if err == nil {
					l.Close()
					t.Fatalf("create %v: accepted", create)
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("create %v: %q does not mention %q", create, err, want)
					}
				}
				if !strings.Contains(err.Error(), dir) {
					t.Errorf("create %v: %q does not say where", create, err)
				}
				if strings.Contains(err.Error(), "CANARY") {
					t.Error("the error quotes the keyset")
				}
			}
			if after := contents(t, dir); after != before {
				t.Error("the refused store was changed")
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contents is everything in a directory but the lock, for comparing.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	names, err := os.ReadDir(dir)
	must(t, err)
	for _, n := range names {
		info, err := os.Lstat(filepath.Join(dir, n.Name()))
		must(t, err)
		all.WriteString(n.Name() + " " + info.Mode().String() + "\n")
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(filepath.Join(dir, n.Name()))
			must(t, err)
			all.Write(b)
		}
	}
	return all.String()
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, name))) }
}

func instead(name string, put func(path string) error) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		must(t, os.Remove(filepath.Join(dir, name)))
		must(t, put(filepath.Join(dir, name)))
	}
}

// link puts a link to the same content in the place of the file.
func link(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		path, real := filepath.Join(dir, name), filepath.Join(dir, "real-"+name)
		must(t, os.Rename(path, real))
		must(t, os.Symlink(real, path))
	}
}

func appendTo(t *testing.T, path, s string) {
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, append(b, s...), 0o600))
}

func otherKeyset(t *testing.T, dir string) {
	b, err := newKeyset()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, keysetName), b, 0o600))
}

func TestFilesOfAnotherUserAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(path, nil, 0o600))
	info, err := os.Stat(path)
	must(t, err)
	if err := checkPrivate(path, info, false, os.Geteuid()); err != nil {
		t.Errorf("my own file: %v", err)
	}
	err = checkPrivate(path, info, false, os.Geteuid()+1)
	if err == nil || !strings.Contains(err.Error(), "user id") || !strings.Contains(err.Error(), "chown") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if os.Geteuid() != 0 {
		return // only root can give files away
	}
	for _, name := range []string{"", recordsName, keysetName} {
		dir := filepath.Join(t.TempDir(), "store")
		openLocal(t, dir).Close()
		must(t, os.Chown(filepath.Join(dir, name), 4711, -1))
		if _, err := OpenLocal(LocalConfig{Dir: dir}); err == nil || !strings.Contains(err.Error(), "belongs to user id 4711") {
			t.Errorf("%q of another user: got %v", name, err)
		}
	}
}

func TestMissingStoreIsNotMadeWithoutLeave(t *testing.T) {
	for what, dir := range map[string]string{"no directory": filepath.Join(t.TempDir(), "nowhere"), "empty directory": privateDir(t)} {
		_, err := OpenLocal(LocalConfig{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "sidekey keys set") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v", what, err)
		}
		if present(filepath.Join(dir, recordsName)) || present(filepath.Join(dir, keysetName)) {
			t.Errorf("%s: something was made", what)
		}
	}
	if _, err := OpenLocal(LocalConfig{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no directory given: got %v", err)
	}
	file := filepath.Join(privateDir(t), "f")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := OpenLocal(LocalConfig{Dir: file, Create: true}); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file for a directory: got %v", err)
	}
}

func privateDir(t testing.TB) string {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	return dir
}

func TestCrashWhileTheStoreIsMadeIsMendedByTheNextOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	openLocal(t, dir).Close()
	must(t, os.Remove(filepath.Join(dir, keysetName)))                                       // records first, so this is what a crash leaves
	must(t, os.WriteFile(filepath.Join(dir, "."+keysetName+"12345"), []byte("half"), 0o600)) // and this
	l := openLocal(t, dir)
	setLocal(t, l, "bot", "k")
	holds(t, l, "bot", "k")
	if present(filepath.Join(dir, "."+keysetName+"12345")) {
		t.Error("half a keyset was left behind")
	}
}

func TestLeftoversOfKilledWritersAreRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	l := openLocal(t, dir)
	litter, mine := filepath.Join(dir, "."+recordsName+"99"), filepath.Join(dir, "."+recordsName+"99.bak")
	must(t, os.WriteFile(litter, []byte("half"), 0o600))
	must(t, os.WriteFile(mine, []byte("an operator's copy"), 0o600))
	setLocal(t, l, "bot", "k")
	if present(litter) || !present(mine) {
		t.Errorf("litter there: %v, operator's copy there: %v", present(litter), present(mine))
	}
}

func TestLockedStoreIsRefusedAfterAWhileWithAClearError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	openLocal(t, dir).Close()
	holder := flock.New(filepath.Join(dir, lockName))
	if ok, err := holder.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := openLocal(t, dir) // readers need no lock
		defer l.Close()
		before := time.Now()
		_, err := NewOwner(l.Backend()).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{})
		if waited := time.Since(before); waited < 5*time.Second || waited > 6*time.Second {
			t.Errorf("waited %v, want 5s", waited)
		}
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "locked by another process for 5s") ||
			!strings.Contains(err.Error(), filepath.Join(dir, lockName)) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.PutSettings(ctx, "bot", &Settings{Version: 1}, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that ends earlier: got %v", err)
		}
		must(t, holder.Unlock())
		setLocal(t, l, "bot", "k")
	})
}

func TestDirectoryThatCannotBeWrittenKeepsWhatItHas(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; the full disk is tested below by a file in the way")
	}
	dir := filepath.Join(t.TempDir(), "store")
	l := openLocal(t, dir)
	setLocal(t, l, "bot", "k")
	must(t, os.Chmod(dir, 0o500))
	defer os.Chmod(dir, 0o700)
	if err := l.PutSettings(t.Context(), "other", &Settings{Version: 1}, 0); err == nil {
		t.Error("a write to a read-only directory succeeded")
	}
	holds(t, l, "bot", "k")
}

func TestFingerprintNoticesAReplacementWithinTheClocksGrain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(path, []byte("one"), 0o600))
	info, err := os.Stat(path)
	must(t, err)
	if fingerprintOf(info, info.ModTime().Add(time.Second)).same(info, info.ModTime().Add(time.Minute)) {
		t.Error("a file read a second after it was written counts as unchanged: another write may look the same")
	}
	settled := fingerprintOf(info, info.ModTime().Add(time.Minute))
	if !settled.same(info, info.ModTime().Add(time.Hour)) {
		t.Error("a file that did not change is read again and again")
	}
	must(t, os.Chtimes(path, time.Time{}, info.ModTime().Add(time.Nanosecond)))
	later, err := os.Stat(path)
	must(t, err)
	if settled.same(later, info.ModTime().Add(time.Hour)) {
		t.Error("a change of the time is not noticed")
	}
}

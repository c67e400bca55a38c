package credstore

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// openLocal opens a store, which it makes if there is none, until the test ends.
func openLocal(t testing.TB, dir string) *Local {
	t.Helper()
	return openLocalWith(t, LocalConfig{Dir: dir, Create: true})
}

func openLocalWith(t testing.TB, cfg LocalConfig) *Local {
	t.Helper()
	l, err := OpenLocal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func setLocal(t testing.TB, l *Local, chatbot, name string) {
	t.Helper()
	if _, err := NewOwner(l.Backend()).Set(t.Context(), chatbot, provider.OpenAI, NewSecret([]byte(canary(name))), SetOptions{}); err != nil {
		t.Fatal(err)
	}
}

// holds fails the test unless the store has that key for the chatbot.
func holds(t testing.TB, l *Local, chatbot, name string) {
	t.Helper()
	s, _, err := NewOwner(l.Backend()).Key(t.Context(), chatbot, provider.OpenAI, "")
	if err != nil || string(s.Reveal()) != canary(name) {
		t.Fatalf("chatbot %s: key differs (error %v)", chatbot, err)
	}
}

func TestLocalStoreKeepsKeysAcrossRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "as", "needed")
	l := openLocal(t, dir)
	setLocal(t, l, "bot", "k")
	l.Close()
	again := openLocalWith(t, LocalConfig{Dir: dir}) // it needs no leave to create now
	holds(t, again, "bot", "k")
	if got := again.Rev(); got != 2 { // settings and key
		t.Errorf("rev %d, want 2", got)
	}
}

func TestLocalFilesAreForThisUserOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	l := openLocal(t, dir)
	setLocal(t, l, "bot", "k")
	for name, want := range map[string]os.FileMode{"": 0o700, recordsName: 0o600, keysetName: 0o600, lockName: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: mode %v (error %v), want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

func TestLocalDirectoryHoldsNoReadableKey(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o700)
	l := openLocal(t, dir)
	key := canary("on-disk")
	setLocal(t, l, "bot", "on-disk")
	if err := NewOwner(l.Backend()).SetBYOI(t.Context(), "bot", "https://x.example", "", NewSecret([]byte(key)), ""); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		clean(t, d.Name(), path+string(b), key)
		for _, word := range strings.FieldsFunc(string(b), func(r rune) bool { return strings.ContainsRune("\" \n,:{}[]", r) }) {
			if raw, err := base64.StdEncoding.DecodeString(word); err == nil {
				clean(t, d.Name()+", decoded", string(raw), key)
			}
		}
		return err
	})
	if err != nil || files != 3 {
		t.Errorf("%d files looked at, want 3 (error %v)", files, err)
	}
}

func TestOtherProcessesWritesReachTheCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	reader := openLocal(t, dir)
	writer := openLocal(t, dir) // as another process: nothing is shared but the files
	cache, err := NewCache(reader.Backend(), CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	told := make(chan []string, 10)
	reader.Watch(t.Context(), func(changed []string) {
		for _, id := range changed {
			cache.Invalidate(id)
		}
		told <- changed
	})
	for _, name := range []string{"first", "second"} {
		setLocal(t, writer, "bot", name)
		deadline := time.Now().Add(30 * time.Second) // how soon is for the virtual clock below
		for {
			k, err := cache.Keyring(t.Context(), "bot")
			if err != nil {
				t.Fatal(err)
			}
			if s, err := k.Secret(t.Context(), provider.OpenAI); err == nil && string(s.Reveal()) == canary(name) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the %s key is not in effect", name)
			}
			select {
			case <-told:
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func TestOwnWritesAreSeenAtOnce(t *testing.T) {
	l := openLocalWith(t, LocalConfig{Dir: filepath.Join(t.TempDir(), "store"), Create: true, Poll: time.Hour})
	var told [][]string
	l.Watch(t.Context(), func(changed []string) { told = append(told, changed) })
	setLocal(t, l, "b", "k")
	setLocal(t, l, "a", "k")
	holds(t, l, "a", "k")
	if want := [][]string{{"b"}, {"b"}, {"a"}, {"a"}}; !slices.EqualFunc(told, want, slices.Equal[[]string]) {
		t.Errorf("told of %v, want %v", told, want)
	}
}

// A writer that lost looks at the file, not at what it had in memory.
func TestWriterSeesWhatItLostAgainst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	cfg := LocalConfig{Dir: dir, Create: true, Poll: time.Hour}
	one, two := openLocalWith(t, cfg), openLocalWith(t, cfg)
	for range 3 {
		setLocal(t, one, "bot", "one")
		setLocal(t, two, "bot", "two")
	}
	holds(t, two, "bot", "two")
}

// Somebody puts yesterday's records back. To a cache that is told of the
// change it is no replay.
func TestRestoredBackupTakesEffect(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	openLocal(t, dir).Close()
	synctest.Test(t, func(t *testing.T) {
		l := openLocal(t, dir)
		defer l.Close()
		r := &rig{t: t}
		var err error
		if r.cache, err = NewCache(l.Backend(), CacheConfig{}); err != nil {
			t.Fatal(err)
		}
		defer r.cache.Close()
		l.Watch(t.Context(), func(changed []string) {
			for _, id := range changed {
				r.cache.Invalidate(id)
			}
		})
		setLocal(t, l, "bot", "old")
		backup, err := os.ReadFile(l.path)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // virtual: versions count milliseconds
		setLocal(t, l, "bot", "new")
		r.serves("bot", "new")
		if err := replaceFile(l.path, backup); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		r.serves("bot", "old")
	})
}

// The poll lives in virtual time here; the files are real.
func TestPollTellsWhichChatbotsChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	first := openLocal(t, dir)
	setLocal(t, first, "same", "k")
	setLocal(t, first, "changed", "old")
	first.Close()
	synctest.Test(t, func(t *testing.T) {
		l := openLocal(t, dir)
		defer l.Close()
		var told []string
		l.Watch(t.Context(), func(changed []string) { told = append(told, changed...) })
		w := openLocal(t, dir)
		defer w.Close()
		setLocal(t, w, "changed", "new")
		setLocal(t, w, "added", "k")
		time.Sleep(time.Second)
		synctest.Wait()
		if want := []string{"added", "changed"}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
		holds(t, l, "changed", "new")
		holds(t, l, "same", "k")
	})
}

func TestOtherProcessesWritesAreSeenWithinTwoSeconds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	openLocal(t, dir).Close()
	synctest.Test(t, func(t *testing.T) {
		l, w := openLocal(t, dir), openLocal(t, dir)
		defer l.Close()
		defer w.Close()
		setLocal(t, w, "bot", "old")
		time.Sleep(time.Second)
		synctest.Wait()
		r := &rig{t: t}
		var err error
		if r.cache, err = NewCache(l.Backend(), CacheConfig{}); err != nil {
			t.Fatal(err)
		}
		defer r.cache.Close()
		l.Watch(t.Context(), func(changed []string) {
			for _, id := range changed {
				r.cache.Invalidate(id)
			}
		})
		r.serves("bot", "old")
		setLocal(t, w, "bot", "new")
		time.Sleep(time.Second)
		synctest.Wait()
		r.serves("bot", "new")
	})
}

// A file that somebody breaks while the service runs.
func TestBrokenFileKeepsTheOldSetAndSaysSoUntilItIsMended(t *testing.T) {
	foreign, err := os.ReadFile(openLocal(t, filepath.Join(t.TempDir(), "other")).path)
	if err != nil {
		t.Fatal(err)
	}
	for what, breakIt := range map[string]func(path string, good []byte) error{
		"truncated": func(p string, good []byte) error { return os.WriteFile(p, good[:len(good)/2], 0o600) },
		"emptied":   func(p string, _ []byte) error { return os.Truncate(p, 0) },
		"removed":   func(p string, _ []byte) error { return os.Remove(p) },
		"readable by others": func(p string, good []byte) error {
			return errors.Join(os.WriteFile(p, append(good, ' '), 0o600), os.Chmod(p, 0o644))
		},
		"sealed with another keyset": func(p string, _ []byte) error { return os.WriteFile(p, foreign, 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			openLocal(t, dir).Close()
			synctest.Test(t, func(t *testing.T) {
				var told []error
				l := openLocalWith(t, LocalConfig{Dir: dir, OnError: func(err error) { told = append(told, err) }})
				defer l.Close()
				setLocal(t, l, "bot", "k")
				before := time.Now()
				good, err := os.ReadFile(l.path)
				if err != nil {
					t.Fatal(err)
				}
				if err := breakIt(l.path, bytes.Clone(good)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if l.Err() == nil || len(told) != 1 || !strings.Contains(told[0].Error(), l.path) {
					t.Fatalf("state %v, told %v; want one error that names the file", l.Err(), told)
				}
				holds(t, l, "bot", "k")
				if rec, _ := l.Load(t.Context(), "bot", Latest); rec.Confirmed.After(before.Add(time.Second)) {
					t.Error("the old set counts as confirmed")
				}
				_, err = NewOwner(l.Backend()).Set(t.Context(), "bot", provider.Groq, NewSecret([]byte("gsk_CANARY_0123456789")), SetOptions{})
				if err == nil || !strings.Contains(err.Error(), "nothing was written") {
					t.Errorf("a write to a broken file: %v", err)
				}
				if err := replaceFile(l.path, good); err != nil {
					t.Fatal(err)
				}
				os.Chmod(l.path, 0o600)
				time.Sleep(time.Second)
				synctest.Wait()
				if l.Err() != nil || len(told) != 2 || told[1] != nil {
					t.Errorf("after mending: state %v, told %d times", l.Err(), len(told))
				}
				if rec, _ := l.Load(t.Context(), "bot", Latest); time.Since(rec.Confirmed) > time.Second {
					t.Error("the mended file is not confirmed")
				}
			})
		})
	}
}

func TestLocalStoreConfirmsItselfEverySecond(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	openLocal(t, dir).Close()
	synctest.Test(t, func(t *testing.T) {
		l := openLocal(t, dir)
		defer l.Close()
		for range 100 {
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			if rec, err := l.Load(t.Context(), "bot", Latest); err != nil || time.Since(rec.Confirmed) > time.Second {
				t.Fatalf("confirmed %v ago (error %v), want 1s at most", time.Since(rec.Confirmed), err)
			}
		}
	})
}

func TestKeysetFromAnotherPlace(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "master.json")
	l := openLocalWith(t, LocalConfig{Dir: dir, KeysetFile: other, Create: true})
	setLocal(t, l, "bot", "k")
	if present(filepath.Join(dir, keysetName)) || !present(other) {
		t.Error("the keyset is not where it should be")
	}
	keyset, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, openLocalWith(t, LocalConfig{Dir: dir, KeysetFile: other}), "bot", "k")
	holds(t, openLocalWith(t, LocalConfig{Dir: dir, Keyset: NewSecret(keyset)}), "bot", "k")
	// A new store under a keyset from the environment keeps none of its own.
	fresh := filepath.Join(t.TempDir(), "fresh")
	setLocal(t, openLocalWith(t, LocalConfig{Dir: fresh, Keyset: NewSecret(keyset), Create: true}), "bot", "k")
	if present(filepath.Join(fresh, keysetName)) {
		t.Error("a keyset from the environment was written to the disk")
	}
}

func TestRowCopiedToAnotherChatbotDoesNotOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	l := openLocal(t, dir)
	setLocal(t, l, "theirs", "theirs")
	b, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseLocalFile(b, l.path)
	if err != nil {
		t.Fatal(err)
	}
	f.Chatbots["mine"] = f.Chatbots["theirs"]
	f.Rev++
	if b, err = f.encode(); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(l.path, b); err != nil {
		t.Fatal(err)
	}
	again := openLocal(t, dir)
	if _, _, err := NewOwner(again.Backend()).Key(t.Context(), "mine", provider.OpenAI, ""); err == nil {
		t.Error("a copied row opened")
	}
	holds(t, again, "theirs", "theirs")
}

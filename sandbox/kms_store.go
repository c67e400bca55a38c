package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// kmsState is all keys, by id, and all aliases, by name. A published state is
// never changed: a change makes a new one.
type kmsState struct {
	Version int                 `json:"version"`
	Keys    map[string]kmsKey   `json:"keys"`
	Aliases map[string]kmsAlias `json:"aliases"`
}

// find looks a key up by any of its names.
func (s *kmsState) find(name string) (kmsKey, error) {
	id := strings.TrimPrefix(name, kmsKeyARN)
	if alias := strings.TrimPrefix(name, kmsARN); strings.HasPrefix(alias, "alias/") {
		to, exists := s.Aliases[alias]
		if !exists {
			return kmsKey{}, aliasNotFound(alias)
		}
		id = to.Key
	}
	if key, exists := s.Keys[id]; exists {
		return key, nil
	}
	if _, ok := parseKeyID(id); !ok { // and do not repeat what it may be
		return kmsKey{}, kmsRefusal("NotFoundException", "Invalid keyId: it is no key id, key ARN, alias name or alias ARN of this region and account")
	}
	return kmsKey{}, kmsRefusal("NotFoundException", "Key '%s' does not exist", kmsKeyARN+id)
}

func aliasNotFound(name string) error {
	if !aliasName(name) {
		name = "alias/(malformed)"
	}
	return kmsRefusal("NotFoundException", "Alias %s is not found.", kmsARN+name)
}

func (s *kmsState) clone() *kmsState {
	return &kmsState{Version: s.Version, Keys: maps.Clone(s.Keys), Aliases: maps.Clone(s.Aliases)}
}

// purge destroys the keys whose waiting period is over, and their aliases.
func (s *kmsState) purge(now time.Time) {
	maps.DeleteFunc(s.Keys, func(_ string, key kmsKey) bool { return key.overdue(now) })
	maps.DeleteFunc(s.Aliases, func(_ string, a kmsAlias) bool { _, exists := s.Keys[a.Key]; return !exists })
}

// kmsStore holds the current state. Reading takes no lock.
type kmsStore struct {
	file    string // empty: in memory only
	writing sync.Mutex
	current atomic.Pointer[kmsState]
}

// at is the state at a time: without the keys whose waiting period is over.
func (s *kmsStore) at(now time.Time) *kmsState {
	state := s.current.Load()
	for _, key := range state.Keys {
		if !key.overdue(now) {
			continue
		}
		// Destroys the material in the file as well. Where that fails, the
		// key is gone all the same, and the next change tries again.
		if s.change(now, func(*kmsState) error { return nil }) == nil {
			return s.current.Load()
		}
		state = state.clone()
		state.purge(now)
		return state
	}
	return state
}

// change makes a new state with f and publishes it when f and the file have
// no objection; else all stays as it was.
func (s *kmsStore) change(now time.Time, f func(*kmsState) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.current.Load().clone()
	next.purge(now)
	if err := f(next); err != nil {
		return err
	}
	if err := s.save(next); err != nil {
		return err
	}
	s.current.Store(next)
	return nil
}

// load reads the file. One that does not exist yet is an empty state.
func (s *kmsStore) load() error {
	state := &kmsState{Version: 1, Keys: map[string]kmsKey{}, Aliases: map[string]kmsAlias{}}
	s.current.Store(state)
	if s.file == "" {
		return nil
	}
	info, err := os.Stat(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s holds keys and has mode %#o: chmod 600 it", s.file, mode)
	}
	b, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	read := &kmsState{}
	if err := json.Unmarshal(b, read); err != nil {
		return fmt.Errorf("%s is not the stand-in's state; move it away: %w", s.file, err)
	}
	if err := read.check(); err != nil {
		return fmt.Errorf("%s is not the stand-in's state; move it away: %w", s.file, err)
	}
	maps.Copy(state.Keys, read.Keys)
	maps.Copy(state.Aliases, read.Aliases)
	return nil
}

// check keeps a damaged file from becoming a panic or a lost key later.
func (s *kmsState) check() error {
	if s.Version != 1 {
		return fmt.Errorf("version %d, want 1", s.Version)
	}
	for id, key := range s.Keys {
		if _, ok := parseKeyID(id); !ok || id != key.ID {
			return fmt.Errorf("key %q has a wrong id", id)
		}
		if key.State != keyEnabled && key.State != keyDisabled && key.State != keyPending {
			return fmt.Errorf("key %s has no valid state", id)
		}
		if len(key.Generations) == 0 {
			return fmt.Errorf("key %s has no generations", id)
		}
		for _, material := range key.Generations {
			if len(material) != keyMaterial {
				return fmt.Errorf("key %s has a generation of %d bytes, want %d", id, len(material), keyMaterial)
			}
		}
	}
	for name, alias := range s.Aliases {
		if _, exists := s.Keys[alias.Key]; !exists || !validAlias(name) {
			return fmt.Errorf("alias %q is malformed or points nowhere", name)
		}
	}
	return nil
}

// save replaces the file, so that a kill at any moment leaves the old content
// or the new, whole.
func (s *kmsStore) save(state *kmsState) error {
	if s.file == "" {
		return nil
	}
	b, err := json.MarshalIndent(state, "", "  ")
	if err != nil { // only values made here are marshalled
		panic(fmt.Sprintf("BUG: sandbox KMS state does not marshal: %v", err))
	}
	f, err := os.CreateTemp(filepath.Dir(s.file), "."+filepath.Base(s.file)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("the state is unchanged, writing failed: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.file)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("the state is unchanged, writing failed: %w", err)
	}
	return nil
}

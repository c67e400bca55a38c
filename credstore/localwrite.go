package credstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// PutSettings implements Store.
func (l *Local) PutSettings(ctx context.Context, chatbot string, s *Settings, was int64) error {
	return l.commit(ctx, chatbot, func(c *localChatbot) error {
		var have int64
		if c.Settings != nil {
			have = c.Settings.Version
		}
		if have != was {
			return fmt.Errorf("settings of chatbot %s have version %d, not %d: %w", chatbot, have, was, ErrConflict)
		}
		c.Settings = toLocalSettings(s)
		return nil
	})
}

// PutKey implements Store.
func (l *Local) PutKey(ctx context.Context, chatbot string, k *KeyRecord, was int64) error {
	name := strings.TrimPrefix(k.Item, keyPrefix)
	return l.commit(ctx, chatbot, func(c *localChatbot) error {
		var have int64
		if old := c.Keys[name]; old != nil {
			have = old.Version
		}
		if have != was {
			return fmt.Errorf("%s of chatbot %s has version %d, not %d: %w", k.Item, chatbot, have, was, ErrConflict)
		}
		if c.Keys == nil {
			c.Keys = map[string]*localKey{}
		}
		c.Keys[name] = toLocalKey(k)
		return nil
	})
}

// commit changes one chatbot's part of the file: lock, read, change, write.
// On any error the file is as it was.
func (l *Local) commit(ctx context.Context, chatbot string, change func(*localChatbot) error) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	f, _, err := l.read(time.Now())
	if err != nil {
		return fmt.Errorf("local store: nothing was written: %w", err)
	}
	if err := change(f.chatbot(chatbot)); err != nil {
		l.reread() // the caller will look again, and must see what it lost against
		return err
	}
	f.Rev++
	if err := l.write(f); err != nil {
		return fmt.Errorf("local store: %w", err)
	}
	sweep(l.path)
	return nil
}

// reread takes in what is in the file now. The caller holds mu.
func (l *Local) reread() {
	now := time.Now()
	if f, print, err := l.read(now); err == nil {
		l.adopt(f, print, now)
	}
}

// write replaces the file by f, and adopts what it wrote. It reads its own
// bytes back first, so that nothing gets into the file that could not be read.
func (l *Local) write(f *localFile) error {
	b, err := f.encode()
	if err != nil {
		return err
	}
	if f, err = parseLocalFile(b, l.path); err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	if err := replaceFile(l.path, b); err != nil {
		return err
	}
	now := time.Now()
	info, err := os.Lstat(l.path)
	if err != nil {
		return err
	}
	if l.view.Load() != nil {
		l.adopt(f, fingerprintOf(info, now), now)
	}
	return nil
}

func (l *Local) keysetFile() string {
	if l.cfg.KeysetFile != "" {
		return l.cfg.KeysetFile
	}
	return filepath.Join(l.cfg.Dir, keysetName)
}

// keysetName is how messages call the keyset.
func (l *Local) keysetName() string {
	if !l.cfg.Keyset.IsZero() {
		return "the configured keyset"
	}
	return l.keysetFile()
}

// open finds the keyset, and makes what is missing if it may.
func (l *Local) open() error {
	if err := checkDir(l.cfg.Dir); errors.Is(err, fs.ErrNotExist) {
		if !l.cfg.Create {
			return fmt.Errorf("%s does not exist: store a key with `sidekey keys set` to make it, or look at store.local.dir", l.cfg.Dir)
		}
		if err := os.MkdirAll(l.cfg.Dir, 0o700); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if !l.cfg.Create || present(l.path) && l.hasKeyset() {
		return l.loadKeyset()
	}
	unlock, err := lockDir(context.Background(), l.cfg.Dir, l.cfg.LockWait)
	if err != nil {
		return err
	}
	defer unlock()
	return l.create()
}

// present reports whether there is anything by that name, be it only a broken link.
func present(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (l *Local) hasKeyset() bool { return !l.cfg.Keyset.IsZero() || present(l.keysetFile()) }

func (l *Local) loadKeyset() error {
	b := l.cfg.Keyset.Reveal()
	if b == nil {
		var err error
		b, _, err = readPrivate(l.keysetFile())
		if errors.Is(err, fs.ErrNotExist) && present(l.path) {
			return fmt.Errorf("%s is missing, and the keys in %s cannot be opened without it: restore it from a backup",
				l.keysetFile(), l.path)
		} else if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s holds no store: store a key with `sidekey keys set` to make one, or look at store.local.dir", l.cfg.Dir)
		} else if err != nil {
			return err
		}
	}
	var err error
	l.cipher, err = readKeyset(b, l.keysetName())
	return err
}

// create makes the records and the keyset, records first: records of nobody
// without a keyset are what a crash in between leaves, and harmless. A keyset
// without records may mean that the records were lost. The caller holds the
// lock; another process may have been here before.
func (l *Local) create() error {
	sweep(l.path)
	sweep(l.keysetFile())
	own := !l.hasKeyset()
	if present(l.path) {
		if !own {
			return l.loadKeyset()
		}
		b, _, err := readPrivate(l.path)
		if err != nil {
			return err
		}
		if f, err := parseLocalFile(b, l.path); err != nil {
			return err
		} else if len(f.Chatbots) > 0 {
			return l.loadKeyset() // which says that it is missing
		}
	} else if !own && l.cfg.Keyset.IsZero() && l.cfg.KeysetFile == "" {
		return fmt.Errorf("%s is there but %s is not: restore the records from a backup, "+
			"or remove the keyset as well to begin anew", l.keysetFile(), l.path)
	}
	if !own {
		if err := l.loadKeyset(); err != nil {
			return err
		}
		return l.writeEmpty()
	}
	keyset, err := newKeyset()
	if err != nil {
		return err
	}
	if l.cipher, err = readKeyset(keyset, l.keysetFile()); err != nil {
		return err
	}
	if err := l.writeEmpty(); err != nil {
		return err
	}
	return replaceFile(l.keysetFile(), keyset)
}

func (l *Local) writeEmpty() error {
	f, err := newLocalFile(l.cipher)
	if err != nil {
		return err
	}
	return l.write(f)
}

// refresh takes in what is on the disk now. The view is otherwise as old as the
// last poll, or what this process believes to have written.
func (l *Local) refresh() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	f, print, err := l.read(now)
	if err != nil {
		return fmt.Errorf("local store: %w", err)
	}
	l.adopt(f, print, now)
	return nil
}

package credstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// LocalConfig tells OpenLocal where and how. Zero durations mean the defaults.
type LocalConfig struct {
	Dir string
	// Create makes the directory, the records and the keyset if none of them is
	// there. Without it a missing store is an error, so that a volume that was
	// not mounted is not taken for a store in which nobody has keys.
	Create     bool
	KeysetFile string        // default: keyset.json in Dir; must be private too
	Keyset     Secret        // the keyset itself, from the environment or a secret mount; then no file is read
	Poll       time.Duration // 1s: how often to look for other processes' writes
	LockWait   time.Duration // 5s: how long a write waits for another process
	OnError    func(error)   // told when the file cannot be read any more, and nil when it can again; must not block or use the store
}

// Local is the embedded store: one JSON file, in which each secret is sealed
// by a keyset in a file of its own, see localFile. Several processes may use
// one at the same time. A writer takes the lock, reads, changes, and replaces
// the file whole. A reader looks at the file's inode, size and time every
// Poll, reads it when they changed, and swaps one pointer: requests never
// touch the disk.
//
// A file that cannot be read does not end the service. The last good state
// serves on, unconfirmed since then (Record.Confirmed), and Err and OnError
// say what is wrong until it is mended.
type Local struct {
	cfg    LocalConfig
	path   string // of the records
	cipher Cipher
	view   atomic.Pointer[localView]
	turn   chan struct{} // holds one token: writers of this process queue here

	trailLimit int // in the place of maxTrail; only tests set it

	mu       sync.Mutex // one look or write at a time; guards the rest
	watchers map[int]func(changed []string)
	nextID   int

	stop   context.CancelFunc
	polled chan struct{} // closed when the poll has ended
}

// A localView is the file as last read. Immutable.
type localView struct {
	file      *localFile
	print     fingerprint
	confirmed time.Time // when the file was last seen to be this
	err       error     // why it has not been since; nil: it has
}

// OpenLocal opens the store in a directory. It refuses what is not private,
// not whole, or not sealed with the keyset; each error says what is wrong,
// where, and what to do. Close it.
func OpenLocal(cfg LocalConfig) (*Local, error) {
	if cfg.Dir == "" {
		return nil, fmt.Errorf("%w: the local store has no directory: write store.local.dir", ErrInvalid)
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.LockWait == 0 {
		cfg.LockWait = 5 * time.Second
	}
	l := &Local{cfg: cfg, path: filepath.Join(cfg.Dir, recordsName),
		turn: make(chan struct{}, 1), watchers: map[int]func([]string){}, polled: make(chan struct{})}
	now := time.Now()
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("local store: %w", err)
	}
	f, print, err := l.read(now)
	if err != nil {
		return nil, fmt.Errorf("local store: %w", err)
	}
	l.view.Store(&localView{file: f, print: print, confirmed: now})
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.poll(ctx) // Close ends it and waits
	return l, nil
}

// Backend returns the store and its cipher, for NewCache and NewOwner.
func (l *Local) Backend() Backend { return Backend{Store: l, Cipher: l.cipher, Table: localTable} }

// Load implements Loader, from memory, however fresh it must be: another
// process's write is seen within Poll.
func (l *Local) Load(ctx context.Context, chatbot string, _ Freshness) (*Record, error) {
	v := l.view.Load()
	rec := v.file.record(chatbot)
	rec.Confirmed = v.confirmed
	return rec, ctx.Err()
}

// Chatbots implements Store, from memory.
func (l *Local) Chatbots(ctx context.Context, account string) ([]string, error) {
	var ids []string
	for id, c := range l.view.Load().file.Chatbots {
		if account == "" || c.Settings != nil && c.Settings.AccountID == account {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, ctx.Err()
}

// Names implements Store, from memory.
func (l *Local) Names(ctx context.Context, account string) ([]ChatbotName, error) {
	var names []ChatbotName
	for id, c := range l.view.Load().file.Chatbots {
		if s := c.Settings; s != nil && !s.Deleted && (account == "" || s.AccountID == account) {
			names = append(names, ChatbotName{id, s.AccountID, s.Name})
		}
	}
	slices.SortFunc(names, func(a, b ChatbotName) int { return strings.Compare(a.Chatbot, b.Chatbot) })
	return names, ctx.Err()
}

// Rev returns the number of writes that the file had seen when it was last read.
func (l *Local) Rev() int64 { return l.view.Load().file.Rev }

// Err returns why the file cannot be read at present, nil if it can.
func (l *Local) Err() error { return l.view.Load().err }

// Watch calls fn with the chatbots whose records changed, sorted, whoever
// changed them: at once for writes of this process, within Poll for others'.
// Give it Cache.Invalidate. fn runs until ctx ends; it must not call Watch or
// write to the store.
func (l *Local) Watch(ctx context.Context, fn func(changed []string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.nextID
	l.nextID++
	l.watchers[id] = fn
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, id)
	})
}

// Close stops looking for changes. What was loaded stays valid.
func (l *Local) Close() error {
	l.stop()
	<-l.polled
	return nil
}

func (l *Local) poll(ctx context.Context) {
	defer close(l.polled)
	tick := time.NewTicker(l.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.look()
		case <-ctx.Done():
			return
		}
	}
}

// look sees whether the file changed, and takes the change in.
func (l *Local) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, now := l.view.Load(), time.Now()
	info, err := os.Lstat(l.path)
	if err == nil && old.err == nil && old.print.same(info, now) {
		l.view.Store(&localView{old.file, old.print, now, nil})
		return
	}
	f, print, err := l.read(now)
	if err == nil {
		l.adopt(f, print, now)
		return
	}
	l.view.Store(&localView{old.file, old.print, old.confirmed, err})
	if l.cfg.OnError != nil && (old.err == nil || old.err.Error() != err.Error()) {
		l.cfg.OnError(fmt.Errorf("local store: keeping what was read at %s: %w", old.confirmed.Format(time.RFC3339), err))
	}
}

// adopt makes f the state that readers see, and tells who watches. The caller
// holds mu.
func (l *Local) adopt(f *localFile, print fingerprint, now time.Time) {
	old := l.view.Load()
	l.view.Store(&localView{f, print, now, nil})
	if old.err != nil && l.cfg.OnError != nil {
		l.cfg.OnError(nil)
	}
	changed := f.differs(old.file)
	if len(changed) == 0 {
		return
	}
	for _, fn := range l.watchers {
		fn(changed)
	}
}

// differs lists the chatbots that are not the same in f and g.
func (f *localFile) differs(g *localFile) (ids []string) {
	for id, c := range f.Chatbots {
		if !reflect.DeepEqual(c, g.Chatbots[id]) {
			ids = append(ids, id)
		}
	}
	for id := range g.Chatbots {
		if f.Chatbots[id] == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// read reads and checks the records file.
func (l *Local) read(now time.Time) (*localFile, fingerprint, error) {
	b, info, err := readPrivate(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s is missing: restore it from a backup, or look at store.local.dir", l.path)
	}
	if err != nil {
		return nil, fingerprint{}, err
	}
	f, err := parseLocalFile(b, l.path)
	if err == nil {
		err = f.fits(l.cipher, l.path, l.keysetName())
	}
	return f, fingerprintOf(info, now), err
}

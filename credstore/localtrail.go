package credstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The trail of a local store is a file of its own: one JSON object a line, the
// newest last. Records are replaced whole at every write; a trail in the same
// file would make each of them larger, and a damaged trail would take the keys
// with it. Here a line that cannot be read is passed over, and nothing else is
// lost.
const trailName = "trail.jsonl"

// maxTrail bounds the file. When it is larger, its newer half is kept: some
// twenty thousand changes.
const maxTrail = 8 << 20

// A trailLine is one line of the file. Numbers grow over all chatbots, so that
// the last line alone says which one is next.
type trailLine struct {
	Chatbot string `json:"chatbot"`
	Change
}

func (l *Local) trailPath() string { return filepath.Join(l.cfg.Dir, trailName) }

// AddChange implements Store. The line is on the disk when it returns.
func (l *Local) AddChange(ctx context.Context, chatbot string, c *Change) error {
	if err := checkID("chatbot", chatbot); err != nil {
		return err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	b, _, err := readPrivate(l.trailPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("local store: the trail: %w", err)
	}
	c.Number = lastNumber(b) + 1
	line, err := json.Marshal(trailLine{chatbot, *c})
	if err != nil {
		return fmt.Errorf("local store: the trail: %w", err)
	}
	line = append(line, '\n')
	if len(b)+len(line) > l.maxTrail() {
		return replaceFile(l.trailPath(), append(newerHalf(b), line...))
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		line = append([]byte{'\n'}, line...) // a writer was killed in the middle of its line
	}
	return appendPrivate(l.trailPath(), line)
}

func (l *Local) maxTrail() int {
	if l.trailLimit > 0 {
		return l.trailLimit
	}
	return maxTrail
}

// lock is what every writer holds: its turn in this process, and the lock
// against others.
func (l *Local) lock(ctx context.Context) (unlock func(), err error) {
	select { // in turn, so that writers of this process do not race for the lock
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("local store: %w", ctx.Err())
	}
	free, err := lockDir(ctx, l.cfg.Dir, l.cfg.LockWait)
	if err != nil {
		<-l.turn
		return nil, fmt.Errorf("local store: %w", err)
	}
	return func() { free(); <-l.turn }, nil
}

// Changes implements Store.
func (l *Local) Changes(ctx context.Context, chatbot string, before int64, limit int) ([]Change, error) {
	b, _, err := readPrivate(l.trailPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("local store: the trail: %w", err)
	}
	mark, err := json.Marshal(chatbot)
	if err != nil {
		return nil, err
	}
	mark = append([]byte(`{"chatbot":`), mark...)
	var out []Change
	for len(b) > 0 && len(out) < limit {
		b = bytes.TrimRight(b, "\n")
		i := bytes.LastIndexByte(b, '\n')
		line := b[i+1:]
		b = b[:i+1]
		var t trailLine
		if !bytes.HasPrefix(line, mark) || json.Unmarshal(line, &t) != nil || t.Chatbot != chatbot {
			continue
		}
		if before == 0 || t.Number < before {
			out = append(out, t.Change)
		}
	}
	return out, ctx.Err()
}

// lastNumber is the number of the last line that can be read.
func lastNumber(b []byte) int64 {
	for len(b) > 0 {
		b = bytes.TrimRight(b, "\n")
		i := bytes.LastIndexByte(b, '\n')
		var t trailLine
		if json.Unmarshal(b[i+1:], &t) == nil && t.Number > 0 {
			return t.Number
		}
		b = b[:i+1]
	}
	return 0
}

// newerHalf drops the older half of the lines, by bytes.
func newerHalf(b []byte) []byte {
	half := b[len(b)/2:]
	if i := bytes.IndexByte(half, '\n'); i >= 0 {
		half = half[i+1:]
	}
	if len(half) > 0 && half[len(half)-1] != '\n' {
		half = append(half[:len(half):len(half)], '\n')
	}
	return half
}

// appendPrivate appends to a file that only this user may touch, and waits
// until it is on the disk.
func appendPrivate(path string, line []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if n, err := f.Write(line); err != nil || n < len(line) {
		return errors.Join(fmt.Errorf("%s: the line was not written whole", path), err, io.ErrShortWrite)
	}
	return f.Sync()
}

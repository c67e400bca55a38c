package credstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// Names in the directory of a local store.
const (
	recordsName = "records.json"
	keysetName  = "keyset.json"
	lockName    = ".lock"
)

// maxLocalFile bounds what is read into memory: some hundred thousand chatbots.
const maxLocalFile = 256 << 20

// checkPrivate refuses a file or directory that others could read or change,
// or that is not what it should be. uid is this process's.
func checkPrivate(path string, info fs.FileInfo, dir bool, uid int) error {
	want := fs.FileMode(0o600)
	switch {
	case dir:
		want = 0o700
		if !info.IsDir() {
			return fmt.Errorf("%s is not a directory: look at store.local.dir", path)
		}
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link, which the next write would replace: put the file itself there, "+
			"or make the directory the link", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: remove it, or look at store.local.dir", path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != uid {
		return fmt.Errorf("%s belongs to user id %d and this process runs as %d: run it as that user, or `chown %d %s`",
			path, st.Uid, uid, uid, path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s can be used by others (mode %04o): `chmod %o %s`", path, mode, want, path)
	}
	return nil
}

func checkDir(path string) error {
	info, err := os.Stat(path) // the directory may be a link to a mount
	if err != nil {
		return err
	}
	return checkPrivate(path, info, true, os.Geteuid())
}

// readPrivate reads a file that only this user may touch. It never follows a
// link, and never waits on a pipe.
func readPrivate(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, nil, err
	}
	if err := checkPrivate(path, info, false, os.Geteuid()); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil { // it may be another file by now
		return nil, nil, err
	}
	if err := checkPrivate(path, info, false, os.Geteuid()); err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxLocalFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) > maxLocalFile {
		return nil, nil, fmt.Errorf("%s is larger than %d MiB: look at store.local.dir", path, maxLocalFile>>20)
	}
	return b, info, nil
}

// replaceFile puts b in the place of the file, so that a reader, a crash or a
// kill at any moment sees the old content or the new, whole. The directory is
// synced as well: a key that was replaced or removed must not come back after
// a power cut. It is the one place to change for a system without rename.
func replaceFile(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := renameio.WriteFile(path, b, 0o600, renameio.WithTempDir(dir)); err != nil {
		return fmt.Errorf("%s is unchanged, writing failed: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

// sweep removes what killed writers left of the file. The caller holds the
// lock, so nobody is writing now.
func sweep(path string) {
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)
	names, err := os.ReadDir(dir)
	if err != nil {
		return // no harm but litter
	}
	for _, n := range names {
		if rest, ok := strings.CutPrefix(n.Name(), prefix); ok && rest != "" && strings.Trim(rest, "0123456789") == "" {
			os.Remove(filepath.Join(dir, n.Name()))
		}
	}
}

// lockDir takes the writers' lock. It is a file of its own: a lock on the
// records file would be on the old one after the first rename. Network file
// systems do not all keep it; there, let one process write.
func lockDir(ctx context.Context, dir string, wait time.Duration) (unlock func(), err error) {
	path := filepath.Join(dir, lockName)
	ctx, cancel := context.WithTimeoutCause(ctx, wait, os.ErrDeadlineExceeded)
	defer cancel()
	l := flock.New(path, flock.SetPermissions(0o600))
	// The wait is not a queue: with long pauses a busy writer would starve others.
	ok, err := l.TryLockContext(ctx, time.Millisecond)
	switch {
	case errors.Is(context.Cause(ctx), os.ErrDeadlineExceeded) && !ok:
		return nil, fmt.Errorf("%w: %s is locked by another process for %v: wait for the other sidekey command, "+
			"or end it if it hangs (`fuser %s` names it)", ErrUnreachable, dir, wait, path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return func() { l.Close() }, nil
}

// A fingerprint tells one state of a file from another without reading it.
type fingerprint struct {
	inode  uint64
	size   int64
	mtime  time.Time
	mode   fs.FileMode
	recent bool // written so lately that the next write may look the same
}

// recently is the coarsest clock of the file systems that matter.
const recently = 2 * time.Second

func fingerprintOf(info fs.FileInfo, now time.Time) fingerprint {
	p := fingerprint{size: info.Size(), mtime: info.ModTime(), mode: info.Mode()}
	p.recent = now.Sub(p.mtime) < recently
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		p.inode = uint64(st.Ino)
	}
	return p
}

// same reports whether the file is certainly what it was when p was taken.
func (p fingerprint) same(info fs.FileInfo, now time.Time) bool {
	q := fingerprintOf(info, now)
	return !p.recent && p.inode == q.inode && p.size == q.size && p.mode == q.mode && p.mtime.Equal(q.mtime)
}

package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A workshop makes the peers that no system packages, once, and keeps them in
// the user's cache folder.
type workshop struct {
	dir string // of what has been made
	// found only: what is not there yet is not made.
	foundOnly bool
	tell      func(string) // progress, a line each
}

// errNotMade says that a peer would have to be made first.
var errNotMade = errors.New("not made yet; a run without --quick makes it")

func newWorkshop(foundOnly bool, tell func(string)) (*workshop, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no folder to build peers in: %w", err)
	}
	return &workshop{dir: filepath.Join(cache, "sidekey-bench"), foundOnly: foundOnly, tell: tell}, nil
}

// keep returns the folder with what was made under a name from these inputs,
// and has it made if it is not there. Several processes may make it at once:
// the first to finish wins, and what is there is whole.
func (w *workshop) keep(name, what string, inputs []string, make func(dir string) error) (string, error) {
	sum := sha256.New()
	for _, in := range inputs {
		fmt.Fprintf(sum, "%d:%s", len(in), in)
	}
	dir := filepath.Join(w.dir, name+"-"+hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if w.foundOnly {
		return "", errNotMade
	}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(w.dir, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	began := time.Now()
	w.tell(what + ", once …")
	if err := make(fresh); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			return "", err
		}
	}
	w.tell(fmt.Sprintf("%s: done in %v", name, time.Since(began).Round(time.Second)))
	return dir, nil
}

// tool runs a program of the machine's developers in a folder, and returns the
// end of what it said if it fails. It takes the machine's settings of where
// packages come from, so its environment is kept.
func tool(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), env...), 5*time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	lines := strings.Split(strings.TrimSpace(string(bytes.ToValidUTF8(out, nil))), "\n")
	return fmt.Errorf("%s: %w: %s", strings.Join(args[:2], " "), err, strings.Join(lines[max(0, len(lines)-3):], "; "))
}

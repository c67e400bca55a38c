package bench

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// checkTime is how long each step of a check may take. A peer that passes on
// what it has needs a thousandth of it.
const checkTime = 10 * time.Second

// A yard is what the peers of one run have in common: where they may run, and
// who vouches for an upstream that speaks TLS.
type yard struct {
	authority *Authority
	dir       string
	caFile    string // the authority, for peers
	cpus      CPUs   // that peers may run on; none: all
	workers   int    // how many those are
	patience  time.Duration
}

func newYard(cpus CPUs) (*yard, error) {
	y := &yard{cpus: cpus, workers: len(cpus), patience: checkTime}
	if y.workers == 0 {
		y.workers = runtime.NumCPU()
	}
	var err error
	if y.authority, err = NewAuthority(""); err != nil {
		return nil, err
	}
	if y.dir, err = os.MkdirTemp("", "sidekey-bench-"); err != nil {
		return nil, err
	}
	y.caFile = filepath.Join(y.dir, "ca.pem")
	// For all, since nginx's workers give up root, and it is no secret.
	if err = errors.Join(os.Chmod(y.dir, 0o711), os.WriteFile(y.caFile, y.authority.PEM, 0o644)); err != nil {
		return nil, errors.Join(err, y.close())
	}
	return y, nil
}

// trust is the file for peers in front of an upstream, "" for plaintext.
func (y *yard) trust(secure bool) string {
	if secure {
		return y.caFile
	}
	return ""
}

func (y *yard) close() error { return os.RemoveAll(y.dir) }

package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
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
	host      string // of loopback, on which peers listen
	caFile    string // the authority, for peers
	cpus      CPUs   // that peers may run on; none: all
	workers   int    // how many those are
	patience  time.Duration
}

func newYard(cpus CPUs) (*yard, error) {
	y := &yard{cpus: cpus, workers: len(cpus), patience: checkTime, host: ownHost()}
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

// ownHost is an address of loopback that nobody else uses, where there is more
// than one. A port that was free a moment ago can be taken on 127.0.0.1 by any
// connection or test of this machine before the peer listens there.
func ownHost() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

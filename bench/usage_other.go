//go:build !linux

package bench

import (
	"errors"
	"time"
)

// A gauge needs Linux's /proc.
type gauge struct{}

func newGauge(int, bool) (*gauge, error) {
	return nil, errors.New("what a process uses can be measured on Linux only; leave --pid and --start away")
}

func (*gauge) cpu() time.Duration { return 0 }
func (*gauge) rest() meter        { return meter{} }
func (*gauge) resident() int64    { return 0 }

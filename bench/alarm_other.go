//go:build !linux

package bench

import (
	"os"
	"sync"
	"time"
)

// An alarm wakes one goroutine at a moment, as exactly as the runtime's timers
// are here.
type alarm struct {
	timer  *time.Timer
	closed chan struct{}
	once   sync.Once
}

func newAlarm() (*alarm, error) {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &alarm{timer: t, closed: make(chan struct{})}, nil
}

// set makes wait return at the moment at, at once if that has passed. A later
// call replaces an earlier one. It may be called from any goroutine.
func (a *alarm) set(at time.Duration) { a.timer.Reset(max(at-now(), 0)) }

// wait returns at the moment set, or with an error once the alarm is closed.
func (a *alarm) wait() error {
	select {
	case <-a.timer.C:
		return nil
	case <-a.closed:
		return os.ErrClosed
	}
}

func (a *alarm) close() { a.once.Do(func() { close(a.closed) }) }

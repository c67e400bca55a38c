package bench

import (
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm wakes one goroutine at a moment, to some ten microseconds. The Go
// runtime's own timers wake an idle program through a wait that counts in whole
// milliseconds, which would show as 1 ms of latency that no target caused; a
// timer of the kernel's that the runtime's poller waits for does not.
type alarm struct {
	f     *os.File
	raw   syscall.RawConn
	at    atomic.Int64 // the moment set
	fired func(fd uintptr) bool

	mu sync.Mutex
	fd int // -1 once it is closed: another file may have the number then
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	a := &alarm{fd: fd, f: os.NewFile(uintptr(fd), "alarm")}
	if a.raw, err = a.f.SyscallConn(); err != nil {
		a.f.Close()
		return nil, err
	}
	a.at.Store(math.MaxInt64)
	a.fired = func(uintptr) bool {
		at := a.at.Load()
		return int64(now()) >= at && a.at.CompareAndSwap(at, math.MaxInt64)
	}
	return a, nil
}

// set makes wait return at the moment at, at once if that has passed. A later
// call replaces an earlier one. It may be called from any goroutine.
func (a *alarm) set(at time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fd < 0 {
		return
	}
	a.at.Store(int64(at))
	d := max(at-now(), 1) // 0 would stop the timer
	_ = unix.TimerfdSettime(a.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
}

// wait returns at the moment set, or with an error once the alarm is closed.
//
// Subtle: the timer is never read, which saves two system calls for each
// waking. Its poller tells each time it fires, read or not, and forgets what it
// told before the wait began; what fired before then is seen by the clock.
func (a *alarm) wait() error {
	return a.raw.Read(a.fired)
}

// close may be called again.
func (a *alarm) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fd = -1
	a.f.Close()
}

package bench

import (
	"encoding/binary"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm wakes one goroutine at a moment, to some ten microseconds. The Go
// runtime's own timers wake an idle program through a wait that counts in whole
// milliseconds, which would show as 1 ms of latency that no target caused; a
// timer of the kernel's that is waited for as a file does not.
type alarm struct {
	f *os.File

	mu sync.Mutex
	fd int // -1 once it is closed: another file may have the number then
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &alarm{fd: fd, f: os.NewFile(uintptr(fd), "alarm")}, nil
}

// set makes wait return at the moment at, at once if that has passed. A later
// call replaces an earlier one. It may be called from any goroutine.
func (a *alarm) set(at time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fd < 0 {
		return
	}
	d := max(at-now(), 1) // 0 would stop the timer
	_ = unix.TimerfdSettime(a.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
}

// wait returns at the moment set, or with an error once the alarm is closed.
func (a *alarm) wait() error {
	var fired [8]byte
	n, err := a.f.Read(fired[:])
	if err == nil && (n < 8 || binary.NativeEndian.Uint64(fired[:]) == 0) {
		return os.ErrInvalid
	}
	return err
}

// close may be called again.
func (a *alarm) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fd = -1
	a.f.Close()
}

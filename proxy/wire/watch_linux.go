package wire

import (
	"os"
	"sync"
	"syscall"
)

// watcher is one epoll set for all clients of a listener. A connection is added
// once, edge-triggered, for the end of its input only; the kernel removes it
// when it is closed. The epoll descriptor itself is registered with the
// runtime's poller, so that the one goroutine never blocks a thread in a
// system call.
//
// The goroutine ends when the listener and every connection that it accepted
// are closed.
type watcher struct {
	mu     sync.Mutex
	file   *os.File // the epoll set; nil before the first use and at the end
	conns  map[uint64]*Conn
	last   uint64 // tokens are not used twice: a late event finds nobody
	closed bool
}

// add watches c. Without an epoll set, or without a descriptor, c goes
// unwatched: its leaving is noticed by the next write.
func (w *watcher) add(c *Conn) (token uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.sock.rc == nil || w.file == nil && !w.open() {
		return 0
	}
	w.last++
	token = w.last
	w.conns[token] = c
	ev := syscall.EpollEvent{
		Events: syscall.EPOLLRDHUP | 1<<31, // EPOLLET; ERR and HUP are always on
		Fd:     int32(uint32(token)), Pad: int32(uint32(token >> 32)),
	}
	rc, err := w.file.SyscallConn()
	if err == nil {
		var errCtl error
		err = rc.Control(func(epfd uintptr) {
			errCtl = c.sock.rc.Control(func(fd uintptr) {
				err = syscall.EpollCtl(int(epfd), syscall.EPOLL_CTL_ADD, int(fd), &ev)
			})
		})
		if errCtl != nil {
			err = errCtl
		}
	}
	if err != nil {
		delete(w.conns, token)
		return 0
	}
	return token
}

// open makes the epoll set. It is called with mu held.
func (w *watcher) open() bool {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return false
	}
	w.file = os.NewFile(uintptr(fd), "epoll")
	w.conns = make(map[uint64]*Conn)
	go w.run(w.file)
	return true
}

// run ends when file is closed, which maybeEnd does.
func (w *watcher) run(file *os.File) {
	rc, err := file.SyscallConn()
	if err != nil {
		return
	}
	events := make([]syscall.EpollEvent, 128)
	for {
		n := 0
		err := rc.Read(func(fd uintptr) bool {
			n = epollNow(fd, events)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, ev := range events[:n] {
			w.event(ev)
		}
	}
}

func (w *watcher) event(ev syscall.EpollEvent) {
	token := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
	w.mu.Lock()
	c := w.conns[token]
	w.mu.Unlock()
	if c == nil {
		return
	}
	if c.halfClose && ev.Events&(syscall.EPOLLERR|syscall.EPOLLHUP) == 0 {
		return
	}
	c.presence.gone()
}

// remove forgets a connection that is about to be closed.
func (w *watcher) remove(token uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, token)
	w.maybeEnd()
}

// end is called when the listener is closed.
func (w *watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.maybeEnd()
}

func (w *watcher) maybeEnd() {
	if w.closed && len(w.conns) == 0 && w.file != nil {
		_ = w.file.Close()
		w.file = nil
	}
}

package wire

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A loop relays many streams in one goroutine: an epoll set of their sockets,
// and the buffers that all of them share while none of them waits in one.
//
// Why not a goroutine a stream: most of an event's cost is waking the one that
// waits for it, and a stream that is silent would keep a stack and a buffer.
// Measured on 2 cores with 200 streams of 100 events a second (bench/README.md):
// the loop takes a fifth less processor time an event.
//
// The epoll descriptor is registered with the runtime's poller, as the
// watcher's is: a goroutine that blocked in epoll_wait itself would hold up the
// garbage collector for milliseconds (DESIGN section 13).
//
// The goroutine ends when the listener is closed and the last stream is over.
type loop struct {
	mu      sync.Mutex // guards what follows
	file    *os.File   // the epoll set; nil before the first stream and at the end
	rc      syscall.RawConn
	wake    int // eventfd in the set: somebody is in kicked
	kicked  []uint64
	streams map[uint64]*stream
	last    uint64    // tokens are not used twice: a late event finds nobody
	armed   time.Time // when the run looks for streams whose time is over
	closed  bool
	broken  bool // no set can be made; tests set it
}

// loops are the loops of one listener. Streams are dealt out in turn.
type loops struct {
	mu     sync.Mutex
	all    []*loop
	next   int
	closed bool
}

// pick returns the loop for the next stream. As many as there are processors
// for Go: one loop is one goroutine, and could not use the others.
func (ls *loops) pick() *loop {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.all == nil {
		ls.all = make([]*loop, runtime.GOMAXPROCS(0))
		for i := range ls.all {
			ls.all[i] = &loop{closed: ls.closed}
		}
	}
	ls.next = (ls.next + 1) % len(ls.all)
	return ls.all[ls.next]
}

// end is called when the listener is closed: the loops end with their last
// stream.
func (ls *loops) end() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
	for _, l := range ls.all {
		l.mu.Lock()
		l.closed = true
		l.maybeEnd()
		l.mu.Unlock()
	}
}

// ending reports whether the listener is closed: connections serve no further
// request then.
func (ls *loops) ending() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.closed
}

const (
	// Edges, since a stream is read until nothing is left.
	upstreamEvents = syscall.EPOLLIN | syscall.EPOLLRDHUP | 1<<31
	clientEvents   = syscall.EPOLLOUT | syscall.EPOLLONESHOT
	endEvents      = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
)

// add makes the loop the owner of s, from the moment that it returns true.
func (l *loop) add(s *stream) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken || l.file == nil && !l.open() {
		return false
	}
	l.last++
	s.loop, s.token = l, l.last
	l.streams[s.token] = s
	c := s.body.c
	c.streaming.Store(s) // from here on, whoever closes the socket tells us
	var ok bool
	if s.paused() {
		ok = l.control(&s.client.sock, syscall.EPOLL_CTL_ADD, clientEvents, s.token)
	} else {
		ok = l.control(&c.sock, syscall.EPOLL_CTL_ADD, upstreamEvents, s.token)
	}
	if !ok {
		c.streaming.Store(nil)
		delete(l.streams, s.token)
		l.maybeEnd()
		return false
	}
	l.arm(s.by)
	return true
}

// control changes the set. It is called with mu held, or by the run.
func (l *loop) control(s *sock, op int, events uint32, token uint64) bool {
	ev := syscall.EpollEvent{Events: events, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	var err error
	errSet := l.rc.Control(func(epfd uintptr) {
		if e := s.rc.Control(func(fd uintptr) { err = syscall.EpollCtl(int(epfd), op, int(fd), &ev) }); e != nil {
			err = e
		}
	})
	return errSet == nil && err == nil
}

// open makes the set. It is called with mu held.
func (l *loop) open() bool {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	wake, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN}
	if errno != 0 || syscall.SetNonblock(fd, true) != nil || syscall.EpollCtl(fd, syscall.EPOLL_CTL_ADD, int(wake), &ev) != nil {
		syscall.Close(fd)
		if errno == 0 {
			syscall.Close(int(wake))
		}
		return false
	}
	file := os.NewFile(uintptr(fd), "epoll")
	rc, err := file.SyscallConn()
	if err != nil {
		file.Close()
		syscall.Close(int(wake))
		return false
	}
	l.file, l.rc, l.wake = file, rc, int(wake)
	l.streams, l.armed = make(map[uint64]*stream), time.Time{}
	go l.run(rc)
	return true
}

// maybeEnd closes what open made, when nobody needs it any more. It is called
// with mu held.
func (l *loop) maybeEnd() {
	if !l.closed || len(l.streams) > 0 || l.file == nil {
		return
	}
	_ = l.file.Close()
	syscall.Close(l.wake)
	l.file = nil
}

// kick has the run look at a stream whose upstream connection was closed under
// it: the kernel has forgotten it then. Any goroutine may call it.
func (l *loop) kick(s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams[s.token] != s || l.file == nil {
		return
	}
	l.kicked = append(l.kicked, s.token)
	one := [8]byte{1}
	_, _ = syscall.Write(l.wake, one[:])
}

// arm has the run wake at t at the latest. It is called with mu held. Streams
// move their limits forward with every byte and tell nobody; the alarm is then
// too early, and finds the next one.
func (l *loop) arm(t time.Time) {
	if l.armed.IsZero() || t.Before(l.armed) {
		l.armed = t
		_ = l.file.SetReadDeadline(t)
	}
}

// run waits for events until the set is closed.
func (l *loop) run(rc syscall.RawConn) {
	events := make([]syscall.EpollEvent, 256)
	batch := make([]*stream, 0, len(events))
	k := new(scratch)
	n := 0
	wait := func(fd uintptr) bool {
		n = epollNow(fd, events)
		return n > 0
	}
	for {
		err := rc.Read(wait)
		now := time.Now()
		switch {
		case err == nil:
			batch = l.due(events[:n], batch[:0])
			for _, s := range batch {
				s.turn(k, now)
			}
			clear(batch)
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.expire(now)
		default:
			return
		}
	}
}

// due appends the streams that epoll_wait has reported. Hot path: one lock for
// all of them.
func (l *loop) due(events []syscall.EpollEvent, dst []*stream) []*stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		token := uint64(uint32(events[i].Fd)) | uint64(uint32(events[i].Pad))<<32
		if token == 0 {
			dst = l.orphans(dst)
		} else if s := l.streams[token]; s != nil {
			s.flags = events[i].Events
			dst = append(dst, s)
		}
	}
	return dst
}

// orphans appends the streams that were kicked. It is called with mu held.
func (l *loop) orphans(dst []*stream) []*stream {
	var count [8]byte
	_, _ = syscall.Read(l.wake, count[:])
	for _, token := range l.kicked {
		if s := l.streams[token]; s != nil {
			s.flags = endEvents
			dst = append(dst, s)
		}
	}
	l.kicked = l.kicked[:0]
	return dst
}

// drop forgets a stream that is over, and lets go of its sockets.
func (l *loop) drop(s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.body.c.streaming.Store(nil)
	delete(l.streams, s.token)
	if s.paused() {
		l.control(&s.client.sock, syscall.EPOLL_CTL_DEL, 0, 0)
	} else {
		l.control(&s.body.c.sock, syscall.EPOLL_CTL_DEL, 0, 0)
	}
	l.maybeEnd()
}

// expire ends the streams whose time is over, and sets the alarm for the
// others.
func (l *loop) expire(now time.Time) {
	l.mu.Lock()
	l.armed = time.Time{}
	_ = l.file.SetReadDeadline(time.Time{})
	var late []*stream
	next := time.Time{}
	for _, s := range l.streams {
		switch {
		case !now.Before(s.by):
			late = append(late, s)
		case next.IsZero() || s.by.Before(next):
			next = s.by
		}
	}
	if !next.IsZero() {
		l.arm(next)
	}
	l.mu.Unlock()
	for _, s := range late {
		s.expire()
	}
}

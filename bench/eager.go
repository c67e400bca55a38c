package bench

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// maxBehind is how much a reader may be behind before it is given up.
const maxBehind = 4 << 20

var errBehind = errors.New("the reader is too far behind")

// An eager connection's Write never waits: what the socket does not take at
// once is kept and written by a goroutine. So one goroutine can write the events
// of thousands of streams, though some of their readers are slow.
type eager struct {
	*net.TCPConn
	raw syscall.RawConn

	mu      sync.Mutex
	rest    []byte // not yet taken by the socket; in order, before any later Write
	flusher sync.WaitGroup
	failed  error
	// The arguments and results of try, which is made once: a closure for each
	// write would be garbage for each event.
	out []byte
	n   int
	err error
	try func(fd uintptr) bool
}

func newEager(c *net.TCPConn) (*eager, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	e := &eager{TCPConn: c, raw: raw}
	e.try = func(fd uintptr) bool {
		e.n, e.err = writeNow(fd, e.out)
		return true
	}
	return e, nil
}

// Write takes all of b, or fails.
func (e *eager) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil {
		return 0, e.failed
	}
	whole := len(b)
	if len(e.rest) == 0 {
		e.out = b
		err := e.raw.Write(e.try)
		e.out = nil
		switch {
		case err != nil:
			return 0, err
		case e.err == nil:
			b = b[e.n:]
		case !errors.Is(e.err, syscall.EAGAIN):
			return 0, e.err
		}
		if len(b) == 0 {
			return whole, nil
		}
		e.flusher.Add(1)
		go e.flush() // ends when rest is empty, or the connection is closed
	}
	if len(e.rest)+len(b) > maxBehind {
		e.failed = errBehind
		return 0, e.failed
	}
	e.rest = append(e.rest, b...)
	return whole, nil
}

// behind reports whether the socket has not taken all yet.
func (e *eager) behind() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.rest) > 0
}

// flush writes rest until nothing is left of it.
func (e *eager) flush() {
	defer e.flusher.Done()
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.rest) > 0 && e.failed == nil {
		rest := e.rest
		e.mu.Unlock()
		n, err := e.TCPConn.Write(rest)
		e.mu.Lock()
		e.rest = e.rest[n:]
		if err != nil && e.failed == nil {
			e.failed = err
		}
	}
	e.rest = nil
}

// drain waits until the socket has taken all that was written. Nothing may
// write meanwhile.
func (e *eager) drain() { e.flusher.Wait() }

// Close ends the connection and waits for the goroutine that writes to it.
func (e *eager) Close() error {
	err := e.TCPConn.Close()
	e.mu.Lock()
	if e.failed == nil {
		e.failed = net.ErrClosed // no flusher starts from here on
	}
	e.mu.Unlock()
	e.flusher.Wait()
	return err
}

package wire

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A stream is a reply of unknown length on its way to a client, carried by a
// loop. The server has let go of the connection, with its buffers and its
// goroutine, and gets it back for the next request.
//
// It belongs to one goroutine at a time: the server's, then the loop's run, then
// the one that ends it.
type stream struct {
	body   *Body
	client *Conn
	head   []byte // until it is written

	loop  *loop
	token uint64
	by    time.Time // when it is over, if nothing moves
	flags uint32    // of the event at hand

	pending []byte // what the client has not taken yet; nothing is read meanwhile
	failed  error  // of writing to the client
	over    bool
	last    bool // the client's connection ends with it
}

// scratch is what a stream needs while it moves bytes, and shares with others
// between.
type scratch struct {
	in  [largeBuf]byte
	out [chunkRoom + largeBuf + 16]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// encode takes the coding of in apart and returns its data as one chunk, with
// the end of the body if in has it. The slice is valid until the next call.
func (s *stream) encode(k *scratch, in []byte) []byte {
	b := s.body
	data := k.out[chunkRoom:chunkRoom]
	if b.framing == chunked {
		for len(in) > 0 && !b.chunks.done() {
			run, n, err := b.chunks.next(in)
			data = append(data, run...)
			in = in[n:]
			if err != nil {
				b.end = &TruncatedError{Where: "by a chunk that is malformed", Err: err}
				break
			}
		}
		if b.chunks.done() {
			b.end = io.EOF
			b.c.in.ended = b.c.in.ended || len(in) > 0 // out of step: never used again
		}
	} else {
		data = append(data, in...)
	}
	start, end := chunkRoom, chunkRoom+len(data)
	if len(data) > 0 {
		if b.n += int64(len(data)); b.tap != nil {
			b.tap(data)
		}
		start, end = frameChunk(k.out[:], len(data))
	}
	if b.end == io.EOF {
		end += copy(k.out[end:], lastChunk)
	}
	return k.out[start:end]
}

// paused says that the client must take what is pending first.
func (s *stream) paused() bool { return len(s.pending) > 0 }

// turn handles an event. Hot path.
func (s *stream) turn(k *scratch, now time.Time) {
	switch {
	case s.over:
	case s.body.c.gone.Load():
		s.end()
	case s.paused():
		s.flush(k, now)
	default:
		s.read(k, now)
	}
}

// read passes on all that has come. Hot path: a read and a write for an event
// over plaintext.
func (s *stream) read(k *scratch, now time.Time) {
	c := s.body.c
	c.sock.io.dry, c.sock.io.hup = false, s.flags&endEvents != 0
	for !s.over && !s.paused() {
		var n int
		var err error
		if c.overTLS {
			n, err = c.nc.Read(k.in[:])
		} else {
			n, err = c.sock.readNow(k.in[:])
		}
		if err == errWouldWait && n == 0 {
			return
		}
		s.pass(k, n, err, now)
	}
}

// pass handles what a read brought.
func (s *stream) pass(k *scratch, n int, err error, now time.Time) {
	b := s.body
	var out []byte
	if n > 0 {
		if err != nil && err != errWouldWait {
			b.c.in.ended = true // it comes again at the next read
		}
		out = s.encode(k, k.in[:n])
		s.by = now.Add(b.c.t.cfg.Idle)
	} else if b.stop(err); b.end == io.EOF {
		out = append(k.out[:0], lastChunk...)
	}
	s.write(out, now)
	if s.failed != nil || b.end != nil && !s.paused() {
		s.end()
	}
}

// write gives the client what it takes and keeps the rest.
func (s *stream) write(out []byte, now time.Time) {
	if len(out) == 0 {
		return
	}
	n, err := s.client.sock.writeNow(out)
	if err != nil {
		s.failed = err
		return
	}
	if n == len(out) {
		return
	}
	s.pending = append([]byte(nil), out[n:]...)
	s.stall(now)
}

// stall begins to wait for the client.
func (s *stream) stall(now time.Time) {
	s.by = now.Add(s.client.writeWait)
	l := s.loop
	if l == nil {
		return // add will see to it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// The upstream is taken out, not masked: its end would be reported for as
	// long as nobody reads it.
	l.control(&s.body.c.sock, syscall.EPOLL_CTL_DEL, 0, 0)
	if !l.control(&s.client.sock, syscall.EPOLL_CTL_ADD, clientEvents, s.token) {
		s.failed = net.ErrClosed
	}
	l.arm(s.by)
}

// flush writes what is pending, and reads on when all of it is out.
func (s *stream) flush(k *scratch, now time.Time) {
	n, err := s.client.sock.writeNow(s.pending)
	if err != nil {
		s.failed = err
		s.end()
		return
	}
	l := s.loop
	if n < len(s.pending) {
		s.pending = s.pending[n:]
		if n > 0 {
			s.by = now.Add(s.client.writeWait)
		}
		if !l.control(&s.client.sock, syscall.EPOLL_CTL_MOD, clientEvents, s.token) {
			s.failed = net.ErrClosed
			s.end()
		}
		return
	}
	if s.body.end != nil {
		s.end()
		return
	}
	s.pending = nil
	s.by = now.Add(s.body.c.t.cfg.Idle)
	ok := l.control(&s.client.sock, syscall.EPOLL_CTL_DEL, 0, 0)
	// Adding it reports what has come meanwhile.
	if !ok || !l.control(&s.body.c.sock, syscall.EPOLL_CTL_ADD, upstreamEvents, s.token) {
		s.end()
		return
	}
	s.flags = endEvents // TLS may hold bytes that raise no event
	if s.body.c.overTLS {
		s.read(k, now)
	}
}

// expire ends a stream in which nothing has moved for too long.
func (s *stream) expire() {
	switch {
	case s.over:
		return
	case s.paused():
		s.failed = os.ErrDeadlineExceeded
	default:
		s.body.stop(os.ErrDeadlineExceeded)
	}
	s.end()
}

// end takes the stream out of its loop. The rest, a log line and the next
// request among it, is no business of the loop's.
func (s *stream) end() {
	s.over = true
	if s.loop != nil {
		s.loop.drop(s)
	}
	go s.finish() // ends with the connection's next stream, or its end
}

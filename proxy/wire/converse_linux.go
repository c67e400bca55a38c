package wire

import (
	"net"
	"syscall"
	"time"
)

// A conversation is a request and the beginning of its answer in one use of
// the descriptor: look whether the idle connection has ended, write, wait,
// read. Done one after the other it takes two more system calls: a look that
// is a call of its own, and a first read that finds nothing, because Go's poller
// may be waited for only after a read has failed. Inside one call of RawConn.Read
// it may be: what arrives after its beginning wakes it.
//
// The profile that paid for it: 64 connections, 2 KB requests, 7 system calls a
// request of which these two took 7 % of the process's time.
type conversation struct {
	call  func(fd uintptr) bool // cached
	stage stage
	sent  time.Time
	into  *inbuf // gets its memory when the answer is there: a model may think for long
	read  []byte // else: where the answer goes

	keeps  bool            // the next write is kept
	kept   *[largeBuf]byte // it
	length int             // its length
	idle   bool            // whether the connection was, before it
	failed error           // of writing it
}

type stage uint8

const (
	probing stage = iota // the connection was idle: it must be silent
	writing
	stale   // it was not: nothing was written
	partial // the kernel did not take all, or failed
	awaiting
	answered
)

// Over TLS the bytes are crypto/tls's: what it writes is kept, and becomes the
// first half of the conversation in which it reads, see speak.

// converses reports whether c can do that. Over TLS it must have served before,
// because the tickets that follow a handshake would be taken for a reply; and
// the request must be one record.
func (c *upConn) converses(req *Request) bool {
	if req.Stream != nil || req.upgrade || !c.sock.io.direct {
		return false
	}
	return !c.overTLS || c.served && !c.ahead && int64(len(req.Head))+req.Length <= maxJoined
}

// converse writes bufs, which it consumes, and reads into an empty inbuf. What it could not
// do is left to the caller, by the stage that it returns: partial with an error
// of writing, or with what is left of bufs to be written; awaiting with the
// answer to be read, n bytes of it having come with answered.
func (s *sock) converse(bufs *net.Buffers, into *inbuf, idle bool) (at stage, n int, err error) {
	s.io.talk.into = into
	return s.talk(bufs, idle)
}

func (s *sock) talk(bufs *net.Buffers, idle bool) (at stage, n int, err error) {
	t := &s.io.talk
	if t.call == nil {
		t.call = s.talkFD
	}
	s.io.gather(*bufs)
	all := s.io.vec
	if t.stage = writing; idle {
		t.stage = probing
	}
	in, out := &s.io.in, &s.io.out
	in.now, out.now, out.n, out.err = false, true, 0, 0
	err = s.rc.Read(t.call)
	for err != nil && t.stage < stale && s.extendRead(err) {
		err = s.rc.Read(t.call) // the limit of an earlier wait
	}
	t.into, t.read, in.buf, out.buf = nil, nil, nil, nil
	clear(all)
	s.io.vec = all[:0]
	consume(bufs, out.n)
	s.wrote += int64(out.n)
	switch {
	case t.stage == partial && out.err != 0:
		_, err = out.result("write")
	case t.stage == answered:
		n, err = in.result("read")
		s.sawEOF = n == 0 && in.err == 0
	case err != nil && s.extendRead(err):
		err = nil
	}
	return t.stage, n, err
}

func (s *sock) talkFD(fd uintptr) bool {
	t, in, out := &s.io.talk, &s.io.in, &s.io.out
	switch t.stage {
	case probing:
		in.buf = s.peekBuf[:]
		if s.readFD(fd); in.err != syscall.EAGAIN {
			t.stage = stale
			return true
		}
		fallthrough
	case writing:
		if len(s.io.vec) == 1 {
			out.buf = bytesOf(s.io.vec[0])
		}
		s.writeFD(fd)
		t.sent = time.Now()
		if out.err == syscall.EAGAIN {
			out.n, out.err = 0, 0
		}
		out.n = max(out.n, 0)
		if t.stage = awaiting; out.n < size(s.io.vec) {
			t.stage = partial
		}
		return t.stage == partial
	}
	if in.buf = t.read; t.into != nil {
		t.into.makeRoom(smallBuf)
		in.buf = t.into.buf
	}
	if !s.readFD(fd) {
		return false
	}
	t.stage = answered
	return true
}

func size(v []syscall.Iovec) (n int) {
	for i := range v {
		n += int(v[i].Len)
	}
	return n
}

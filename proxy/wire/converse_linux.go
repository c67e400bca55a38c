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

// converses reports whether c can do that: over TLS the bytes are not ours.
func (c *upConn) converses() bool { return c.sock.io.direct && !c.overTLS }

// converse writes bufs, which it consumes, and reads into an empty inbuf. What it could not
// do is left to the caller, by the stage that it returns: partial with an error
// of writing, or with what is left of bufs to be written; awaiting with the
// answer to be read, n bytes of it having come with answered.
func (s *sock) converse(bufs *net.Buffers, into *inbuf, idle bool) (at stage, n int, err error) {
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
	t.into, in.now, out.now, out.n, out.err = into, false, true, 0, 0
	err = s.rc.Read(t.call)
	for err != nil && t.stage < stale && s.extendRead(err) {
		err = s.rc.Read(t.call) // the limit of an earlier wait
	}
	t.into, in.buf, out.buf = nil, nil, nil
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
	t.into.makeRoom(smallBuf)
	in.buf = t.into.buf
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

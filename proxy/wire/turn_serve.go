package wire

import (
	"errors"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/valyala/fasthttp"
)

// How a connection is served: turn by turn.

// next is what becomes of a connection.
type next uint8

const (
	again   next = iota // another turn
	over                // it is closed
	odd                 // fasthttp's server has it
	carried             // a loop has it
)

// serve serves c's requests until it is closed or has gone to somebody else.
func (s *Server) serve(c *Conn, v *visit) {
	what, st := again, (*stream)(nil)
	for what == again {
		what, st = s.serveNext(c)
	}
	switch what {
	case over:
		_ = c.Close()
	case odd:
		v = s.enter(c, true)
		c.before = c.requests
		_ = s.odd.ServeConn(c)
	}
	s.leave(c, v)
	if what == carried {
		st.carry() // c may be served again before it returns
	}
}

// serveNext serves one request. Hot path.
func (s *Server) serveNext(c *Conn) (next, *stream) {
	t, n, what := s.await(c)
	if what != again {
		return what, nil
	}
	t.adopt(n)
	c.turn = t
	c.requests++
	c.young.Store(false)
	if c.gate.heads < c.requests {
		s.refuse(t, fasthttp.StatusBadRequest) // a request is read where none begins
		return over, nil
	}
	c.begin(s.opts.BodyTimeout, s.opts.WriteTimeout)
	ok := s.attend(t)
	c.turn, c.idle = nil, t.ended
	st := t.stream
	t.ctx.Request.Reset()
	t.ctx.Response.Reset()
	t.replied, t.body, t.last, t.written, t.unheard, t.stream, t.ended = false, nil, false, false, nil, nil, time.Time{}
	switch {
	case st != nil:
		what = carried
	case !ok:
		what = over
	case t.r < t.w:
		c.turn = t // of the next request
		return again, nil
	}
	t.release()
	return what, st
}

// giveUp lets fasthttp's server read what was read.
func (t *turn) giveUp() next {
	t.c.returned = append([]byte(nil), t.buf[t.r:t.w]...)
	t.ctx.Request.Reset()
	t.release()
	return odd
}

// await waits for the head of a request, of n bytes at the beginning of what t
// has. what is again if it has come, and is of the usual form.
func (s *Server) await(c *Conn) (t *turn, n int, what next) {
	if t = c.turn; t == nil {
		if t, n = s.rest(c); t == nil {
			return nil, 0, over
		}
	} else if c.turn = nil; t.r > 0 {
		t.w, t.r = copy(t.buf[:], t.buf[t.r:t.w]), 0
	}
	most := min(s.opts.MaxHead, len(t.buf))
	if n == 0 {
		if n, what = s.awaitEnd(t, most); what != again {
			return nil, 0, what
		}
		if t.head.findUsual(t.buf[:n]) == 0 {
			return nil, 0, t.giveUp()
		}
	}
	if n > most {
		return nil, 0, t.giveUp()
	}
	return t, n, again
}

// awaitEnd reads until the end of the head is there, and returns its length.
func (s *Server) awaitEnd(t *turn, most int) (n int, what next) {
	if n = t.headEnd(); n > 0 {
		return n, again
	}
	t.c.bodyIdle = 0
	_ = t.c.sock.readUntil(time.Now().Add(s.opts.HeadTimeout))
	for n == 0 {
		if t.w >= most || class[t.buf[0]]&isToken == 0 {
			return 0, t.giveUp()
		}
		if err := t.fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.refuse(t, fasthttp.StatusRequestTimeout)
				return 0, over
			}
			return 0, t.giveUp() // it meets the same
		}
		n = t.headEnd()
	}
	return n, again
}

// rest waits for the first byte of a request, nil if none came, and returns the
// length of its head as well if that is usual and has come whole.
func (s *Server) rest(c *Conn) (t *turn, head int) {
	wait, young := s.opts.IdleTimeout, c.young.Load()
	if young {
		wait = s.opts.HeadTimeout
	}
	since := c.idle
	if since.IsZero() {
		since = time.Now()
	}
	c.bodyIdle = 0
	_ = c.sock.readUntil(since.Add(wait))
	c.resting.Store(true)
	if s.ending.Load() && !young {
		return nil, 0
	}
	if !young {
		// Whoever has just got a reply and asks again at once needs a moment. With
		// those served first who wait for us, its request is there by the time we
		// look; else 7 reads in 10 found nothing and had to wait (strace, 32 busy
		// connections), a system call each, 1.2 µs of 35 where they are dear.
		runtime.Gosched()
	}
	n, err := c.firstBytes()
	if !c.resting.CompareAndSwap(true, false) {
		err = net.ErrClosed // a shutdown was first
	}
	t = newTurn(c)
	t.buf, t.r, t.w, c.room = c.room, 0, n, nil
	if err == nil {
		head, err = t.begin()
	}
	switch {
	case err == nil:
		return t, head
	case young && (errors.Is(err, errAmbiguous) || errors.Is(err, os.ErrDeadlineExceeded)):
		s.refuse(t, statusOf(err))
	default:
		t.release()
	}
	return nil, 0
}

package wire

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// A turn is one request of the usual form and its reply, read and written by us.
// Handlers get fasthttp's RequestCtx, with method, target and length; the header
// lines are to be had from HeadOf.
//
// The profiles that paid for it: fasthttp's loop took 5 % of the process's time
// at 2 KB requests, the copy of the body out of its read buffer 8 % at 100 KB,
// and the 32 KB of that buffer are held by each connection, also while it rests.
// A turn's memory is lent to it: a connection that rests has none.
type turn struct {
	c    *Conn
	ctx  fasthttp.RequestCtx
	seat seat
	head Head // not found: whoever wants it reads it, see HeadOf

	buf  *headRoom // nil when all of it is used
	r, w int       // what is not used yet

	left int64 // body bytes that were not read

	// What Relay has made the reply, see turn_reply.go.
	replied bool
	out     []byte    // status and header lines
	body    *Body     // nil: there is none
	length  int64     // without a body: the Content-Length to be told, if not negative
	last    bool      // nothing follows
	written bool      // all of it, before the handler returned ...
	unheard error     // ... unless it could not be
	ended   time.Time // when it was written so, zero if it was not
	stream  *stream   // a loop carries it
}

// headRoom is a head and the beginning of a body. A longer head goes to
// fasthttp's server; of a longer body the rest is read to where it is wanted.
type headRoom [8 << 10]byte

var headRooms = sync.Pool{New: func() any { return new(headRoom) }}

// seat is what a RequestCtx takes for its connection for as long as it lives.
type seat struct {
	net.Conn
	at *Conn
}

var turns = sync.Pool{New: func() any {
	t := new(turn)
	t.ctx.Init2(&t.seat, noLogger{}, false)
	return t
}}

func newTurn(c *Conn) *turn {
	t := turns.Get().(*turn)
	t.c, t.seat.at, t.seat.Conn = c, c, c
	return t
}

// release gives t back. Nothing of the request stays in it.
func (t *turn) release() {
	t.dropRoom()
	t.head.Forget()
	if cap(t.out) > maxHeld {
		t.out = nil
	}
	t.c, t.seat = nil, seat{}
	turns.Put(t)
}

func (t *turn) dropRoom() {
	if t.buf != nil {
		headRooms.Put(t.buf)
		t.buf, t.r, t.w = nil, 0, 0
	}
}

// begin looks at what a first read has brought, which the gate has not seen. A
// usual head that has come whole is judged in one pass, which finds its lines as
// well; its length is returned. What is not is the gate's to judge, as all that
// comes later. Hot path: gate and search for the end before it are 1 % of a
// request of 2 KB (40 rounds in pairs; 0.25 µs in a loop).
func (t *turn) begin() (n int, err error) {
	g := &t.c.gate
	if g.fresh() {
		if n = t.head.findUsual(t.buf[:t.w]); n > 0 {
			g.passed(t.head.length)
		}
	}
	behind := g.check(t.buf[n:t.w])
	if t.w = n + behind; t.w == 0 {
		return 0, errAmbiguous
	}
	return n, nil
}

// fill reads once more of the head.
func (t *turn) fill() error {
	if t.buf == nil {
		t.buf = headRooms.Get().(*headRoom)
	}
	n, err := t.c.Read(t.buf[t.w:])
	t.w += n
	return err
}

// headEnd is the length of the head, 0 if not all of it is there.
func (t *turn) headEnd() int {
	if t.r == t.w {
		return 0
	}
	i := bytes.Index(t.buf[t.r:t.w], []byte(crlf+crlf))
	if i < 0 {
		return 0
	}
	return i + len(crlf+crlf)
}

// adopt takes the head, of n bytes, which has been found. RequestCtx gets what
// handlers ask of it; the lines are t.head's.
//
// Hot path. To have fasthttp's parser read them as well was 2 to 6 % of a
// request of 2 KB (20 rounds in pairs, 32 and 256 connections): it copies each
// name and value into memory of its own, which is cold when many requests wait.
func (t *turn) adopt(n int) {
	head := t.buf[t.r : t.r+n]
	first := t.head.keep(head)
	h := &t.ctx.Request.Header
	h.DisableNormalizing()
	space := bytes.IndexByte(head, ' ')
	h.SetMethodBytes(head[:space])
	h.SetRequestURIBytes(head[space+1 : first-len(usualEnd)])
	if t.left = t.head.length; t.left > 0 {
		h.SetContentLength(int(t.left))
	}
	if t.head.closes {
		h.SetConnectionClose()
	}
	t.take(n)
}

func (t *turn) take(n int) {
	if t.r += n; t.r == t.w {
		t.dropRoom()
	}
}

// Read reads the body.
func (t *turn) Read(p []byte) (n int, err error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), t.left)]
	if t.r < t.w {
		n = copy(p, t.buf[t.r:t.w])
		t.take(n)
	} else {
		n, err = t.c.Read(p)
	}
	t.left -= int64(n)
	return n, err
}

// firstBytes reads into a room that is taken when there is something to read:
// c.room, nil if nothing came. The gate has not seen it, see turn.begin.
func (c *Conn) firstBytes() (n int, err error) {
	if c.gate.state == gateBroken {
		return 0, errAmbiguous
	}
	if c.tls == nil {
		n, err = c.sock.receiveInto(c)
	} else if n, err = c.tls.Read(c.lend()); n == 0 {
		c.takeBack()
	}
	if n == 0 {
		return c.took(nil, err)
	}
	c.burst = n
	return n, nil // an error beside it comes again
}

// A borrower gives a buffer for a read, and takes it back if it was not used.
type borrower interface {
	lend() []byte
	takeBack()
}

func (c *Conn) lend() []byte {
	c.room = headRooms.Get().(*headRoom)
	return c.room[:]
}

func (c *Conn) takeBack() {
	headRooms.Put(c.room)
	c.room = nil
}

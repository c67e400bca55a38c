package wire

import (
	"crypto/rand"
	"errors"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// An Inspector reads the messages that a tunnel's client sends, and says what
// goes upstream in their place. A tunnel with one is not byte for byte any more
// in that direction: a message goes upstream as one frame, with a fresh mask,
// once it is complete and approved of. Control frames pass at once and as they
// are. What is no text message in one reading is refused, as RFC 6455 section 7
// has it, with a close frame. Extensions must not have been negotiated.
//
// The other direction stays as it is: every byte passes when it comes. Only
// where frames end is noted, since a close frame of ours can stand only there.
//
// Its functions are called by one goroutine at a time.
type Inspector struct {
	Max int // bytes of a message
	// Judge returns what is sent instead of a message, in pieces, or how the
	// tunnel ends. Neither it nor what it returns is used after Sent.
	Judge func(message []byte) (pieces [][]byte, end *Closing)
	// Sent is called when the pieces have been written, or could not be.
	Sent func()
	// Seen, if set, is shown the text messages of the upstream as they pass, in
	// parts; last says that a message is complete. It must not wait.
	Seen func(part []byte, last bool)
}

// A Closing is how a tunnel is ended: the client gets a last text message, if
// Message is set, and a close frame. Of what the client said nothing goes
// upstream but a close frame.
type Closing struct {
	Message []byte
	Code    uint16
	Reason  string
}

// Inspect makes the tunnel one whose messages are inspected. Call it before
// Join.
func (t *Tunnel) Inspect(i *Inspector) {
	t.inspected = &inspected{Inspector: i, reader: frameReader{max: i.Max}}
}

// inspected is the state of a tunnel with an Inspector.
type inspected struct {
	*Inspector
	reader frameReader

	mu      sync.Mutex // guards what follows, and writes to the client
	down    frameTracker
	pending *Closing // to be said at the next end of a frame
	over    bool     // it has been said
}

// passMessages is what upward does with what has been read. end: nothing more
// of the client's goes upstream. Errors are those of writing upstream.
func (t *Tunnel) passMessages() (end bool, err error) {
	s := t.inspected
	for {
		used, control, done, wrong := s.reader.next(t.in.unread())
		t.in.r += used
		switch {
		case wrong != nil:
			return true, t.refuse(&Closing{Code: wrong.code, Reason: wrong.reason})
		case control != nil:
			if err := t.writeUp(control); err != nil {
				return false, err
			}
			if control[0]&0xf == opClose {
				return true, nil
			}
		case done:
			if end, err := t.passMessage(s.reader.message); end || err != nil {
				return end, err
			}
		default:
			if t.in.r == t.in.w {
				t.in.taken()
			}
			return false, nil
		}
	}
}

// passMessage has a message judged, and sends what became of it.
func (t *Tunnel) passMessage(message []byte) (end bool, err error) {
	s := t.inspected
	if !utf8.Valid(message) {
		return true, t.refuse(&Closing{Code: closeInvalid, Reason: "text is not UTF-8"})
	}
	pieces, closing := s.Judge(message)
	defer s.reader.reset()
	defer s.Sent()
	if closing != nil {
		return true, t.refuse(closing)
	}
	length := 0
	for _, p := range pieces {
		length += len(p)
	}
	var mask [4]byte
	rand.Read(mask[:]) // never fails (crypto/rand)
	buf := streamBufs.Get().(*[largeBuf]byte)
	defer putStreamBuf(buf) // the pieces are secret, and so is what a mask hides
	out := appendFrameHead(buf[:0], opText, length, &mask)
	at := 0
	for _, p := range pieces {
		for len(p) > 0 {
			n := min(len(p), len(buf)-len(out))
			out = appendMasked(out, p[:n], mask, at)
			p, at = p[n:], at+n
			if len(out) == len(buf) {
				if err := t.writeUp(out); err != nil {
					return false, err
				}
				out = buf[:0]
			}
		}
	}
	return false, t.writeUp(out)
}

// writeUp writes to the upstream.
func (t *Tunnel) writeUp(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	err := t.c.sock.writeWithin(t.c.t.cfg.Write)
	if err == nil {
		_, err = t.c.nc.Write(b)
	}
	if err == nil {
		t.up += int64(len(b))
	}
	return err
}

// refuse ends the tunnel: the client is told why, the upstream that the client
// goes away.
func (t *Tunnel) refuse(c *Closing) error {
	t.end(nil)
	s := t.inspected
	s.mu.Lock()
	if s.pending = c; s.down.between() {
		t.sayClosing()
	}
	s.mu.Unlock()
	var mask [4]byte
	rand.Read(mask[:])
	payload := appendClose(nil, closeGoingAway, "")
	_ = t.writeUp(appendMasked(appendFrameHead(nil, opClose, len(payload), &mask), payload, mask, 0))
	_ = t.c.closeWrite()
	t.c.sock.readBy(time.Now().Add(tunnelGrace))
	t.client.sock.readBy(time.Now().Add(tunnelGrace))
	return nil
}

// sayClosing tells the client what is pending. In the middle of a message of
// the upstream's only the close frame can be said. The caller holds mu.
func (t *Tunnel) sayClosing() {
	s := t.inspected
	c := s.pending
	if s.pending, s.over = nil, true; s.down.closed {
		return // the upstream has said its own
	}
	var out []byte
	if len(c.Message) > 0 && !s.down.begun {
		out = append(appendFrameHead(out, opText, len(c.Message), nil), c.Message...)
	}
	payload := appendClose(nil, c.Code, c.Reason)
	out = append(appendFrameHead(out, opClose, len(payload), nil), payload...)
	if _, err := t.client.Write(out); err == nil {
		t.down += int64(len(out))
	}
}

// writeDown passes on what the upstream has sent.
func (t *Tunnel) writeDown(b []byte) error {
	s := t.inspected
	if s == nil {
		_, err := t.client.Write(b)
		if err == nil {
			t.down += int64(len(b))
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(b) && !s.over && (s.pending == nil || !s.down.between()) {
		n += s.down.next(b[n:], s.Seen)
	}
	if n > 0 {
		if _, err := t.client.Write(b[:n]); err != nil {
			return err
		}
		t.down += int64(n)
	}
	if s.pending != nil && s.down.between() {
		t.sayClosing()
	}
	return nil
}

// failedUp says how the tunnel goes on when the upstream takes no more. See
// upward.
func (t *Tunnel) failedUp(err error) (deaf bool) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.cut(&TruncatedError{Where: "in a tunnel", Err: err})
		return false
	}
	t.c.sock.readBy(time.Now().Add(tunnelGrace))
	return true
}

// A frameTracker knows where in a stream of frames the next byte stands.
type frameTracker struct {
	head   [maxFrameHead]byte // of the next frame, as far as it has come
	have   int
	left   uint64 // bytes of the payload to come
	fin    bool
	text   bool // the message is text
	begun  bool // a message is not complete
	data   bool // the frame is no control frame
	closed bool // a close frame has passed
}

// between says that the next byte begins a frame.
func (f *frameTracker) between() bool { return f.have == 0 && f.left == 0 }

// next reads on to the end of a frame, or of b, and returns how far that is.
func (f *frameTracker) next(b []byte, seen func(part []byte, last bool)) (n int) {
	for f.left == 0 {
		if n == len(b) {
			return n
		}
		f.head[f.have] = b[n]
		f.have++
		n++
		h, ok := parseFrameHead(f.head[:f.have])
		if !ok {
			continue
		}
		f.have, f.left = 0, h.length
		if f.data = !h.control(); f.data {
			if h.op != opContinuation {
				f.text = h.op == opText
			}
			f.fin, f.begun = h.fin, !h.fin
		}
		f.closed = f.closed || h.op == opClose
		if f.left == 0 {
			f.show(nil, seen)
			return n
		}
	}
	k := int(min(f.left, uint64(len(b)-n)))
	f.left -= uint64(k)
	f.show(b[n:n+k], seen)
	return n + k
}

func (f *frameTracker) show(part []byte, seen func(part []byte, last bool)) {
	if seen != nil && f.data && f.text {
		seen(part, f.fin && f.left == 0)
	}
}

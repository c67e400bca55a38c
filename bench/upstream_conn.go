package bench

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
)

// An upstreamConn answers the requests of one connection, one after another.
type upstreamConn struct {
	conn   net.Conn
	eager  *eager // beneath conn
	wheel  *wheel
	rhythm Rhythm
	buf    []byte
	r, w   int // what has been read and not yet used: buf[r:w]

	ask    asked
	stream stream        // the current or last one
	active bool          // stream may not have ended yet
	ended  chan struct{} // the wheel has written the stream's last byte
}

// asked is what a request says that matters to the reply.
type asked struct {
	length   int64
	chunked  bool
	stream   bool
	last     bool // close after the reply
	expect   bool
	rhythm   Rhythm
	boundary [16]byte
}

// largeBody is the length from which a body is read through a larger buffer:
// the number of system calls, not the copying, is what it costs.
const largeBody = 32 << 10

var streamMember = []byte(`"stream":`)

func (c *upstreamConn) serve() {
	for c.request() == nil {
		if c.active {
			<-c.ended // a request that did not wait for the reply before it
			c.active = false
		}
		if c.ask.stream {
			c.active = true
			c.stream.start(c)
			if !c.ask.last {
				continue
			}
			<-c.ended
			c.active = false
			break
		}
		reply := jsonReply
		if c.ask.last {
			reply = jsonReplyClose
		}
		if _, err := c.conn.Write(reply); err != nil || c.ask.last {
			break
		}
	}
	if !c.active { // else the wheel will find the connection closed
		c.eager.drain()
	}
}

// request reads one whole request.
func (c *upstreamConn) request() error {
	c.ask = asked{rhythm: c.rhythm}
	var head int
	for scanned := 0; ; {
		if i := bytes.Index(c.buf[c.r+scanned:c.w], []byte("\r\n\r\n")); i >= 0 {
			head = scanned + i + 4
			break
		}
		scanned = max(c.w-c.r-3, 0)
		if err := c.fill(); err != nil {
			return err
		}
	}
	line, fields, _ := bytes.Cut(c.buf[c.r:c.r+head], []byte("\r\n"))
	c.ask.last = bytes.HasSuffix(line, []byte("HTTP/1.0"))
	if err := eachField(fields, c.ask.field); err != nil {
		return err
	}
	c.r += head
	if c.ask.expect && c.r == c.w {
		if _, err := c.conn.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return err
		}
	}
	if c.ask.chunked {
		return c.chunkedBody()
	}
	return c.body()
}

func (a *asked) field(name, value []byte) (err error) {
	switch {
	case isWord(name, "content-length"):
		a.length, err = decimal(value)
	case isWord(name, "transfer-encoding"):
		a.chunked = true
	case isWord(name, "connection"):
		a.last = a.last || hasToken(value, "close")
	case isWord(name, "expect"):
		a.expect = true
	case isWord(name, "x-bench"):
		a.rhythm.parse(value)
	}
	return err
}

// field is the header line that asks for the rhythm.
func (r Rhythm) field() string {
	return fmt.Sprintf("X-Bench: events=%d,rate=%g,burst=%d", r.Events, r.Rate, max(r.Burst, 1))
}

// parse reads such as "events=100,rate=50,burst=1". What it does not
// understand changes nothing.
func (r *Rhythm) parse(b []byte) {
	for len(b) > 0 {
		var part []byte
		part, b, _ = bytes.Cut(b, []byte(","))
		name, value, _ := bytes.Cut(part, []byte("="))
		n, err := strconv.ParseFloat(string(value), 64)
		if err != nil || n < 0 || n > 1e9 {
			continue
		}
		switch string(name) {
		case "events":
			r.Events = max(int(n), 2)
		case "rate":
			r.Rate = n
		case "burst":
			r.Burst = max(int(n), 1)
		}
	}
}

// fill reads more behind what is in the buffer.
func (c *upstreamConn) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.w == len(c.buf) {
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		} else if len(c.buf) < maxHead {
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		} else {
			return errMalformed
		}
	}
	n, err := c.conn.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// body reads a body of known length.
func (c *upstreamConn) body() error {
	left := c.ask.length
	for {
		n := int(min(left, int64(c.w-c.r)))
		c.look(c.buf[c.r : c.r+n])
		left -= int64(n)
		c.r += n
		if left == 0 {
			return nil
		}
		if left >= largeBody {
			return c.largeBody(left)
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// largeBody reads the rest of a large body through a buffer of its own.
func (c *upstreamConn) largeBody(left int64) error {
	buf := largeBuffers.Get().(*[]byte)
	defer largeBuffers.Put(buf)
	for left > 0 {
		n, err := c.conn.Read((*buf)[:min(left, int64(len(*buf)))])
		c.look((*buf)[:n])
		left -= int64(n)
		if err != nil && left > 0 {
			return err
		}
	}
	return nil
}

// chunkedBody reads a body to its last chunk.
func (c *upstreamConn) chunkedBody() error {
	var d chunks
	for {
		n, data, err := d.next(c.buf[c.r:c.w])
		if err != nil {
			return err
		}
		c.look(data)
		c.r += n
		if d.ended {
			return nil
		}
		if n > 0 {
			continue
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// look searches a part of the body for the wish for a stream. One that is
// split between two parts is found by the bytes kept of the part before.
func (c *upstreamConn) look(b []byte) {
	if c.ask.stream || len(b) == 0 {
		return
	}
	k := len(c.ask.boundary)
	var seam [32]byte
	n := copy(seam[:], c.ask.boundary[:])
	n += copy(seam[n:], b)
	c.ask.stream = wantsStream(seam[:n]) || wantsStream(b)
	if len(b) >= k {
		copy(c.ask.boundary[:], b[len(b)-k:])
	} else {
		copy(c.ask.boundary[:], c.ask.boundary[len(b):])
		copy(c.ask.boundary[k-len(b):], b)
	}
}

func wantsStream(b []byte) bool {
	for {
		i := bytes.Index(b, streamMember)
		if i < 0 {
			return false
		}
		b = b[i+len(streamMember):]
		if bytes.HasPrefix(b, []byte("true")) || bytes.HasPrefix(b, []byte(" true")) {
			return true
		}
	}
}

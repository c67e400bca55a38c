package wire

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"os"
	"time"

	"github.com/valyala/fasthttp"
)

var errBadUpgrade = errors.New("the 101 does not answer this handshake")

// upgradeLines end the head of a handshake. The client's own were stripped
// with everything else that is hop-by-hop.
const upgradeLines = "Connection: Upgrade\r\nUpgrade: websocket\r\n"

// CheckUpgrade refuses a request for a WebSocket that is not a handshake in
// exactly one reading (RFC 6455 section 4.2.1). lines is the head of r. The error
// is a *HeadError.
//
// A body is refused, even an empty one that is announced: behind the head
// stand frames, and whoever sees the end of the request elsewhere reads them
// as requests.
func CheckUpgrade(r *fasthttp.RequestHeader, lines *Head) error {
	if string(r.Method()) != "GET" || string(r.Protocol()) != "HTTP/1.1" {
		return refuse("a WebSocket is asked for with GET and HTTP/1.1 (RFC 6455 section 4.1)")
	}
	var upgrades, keys, versions int
	for name, value := range lines.All() {
		switch {
		case fold(name, "upgrade"):
			if upgrades++; !fold(value, "websocket") {
				return refuse("Upgrade names more than a WebSocket")
			}
		case fold(name, "sec-websocket-key"):
			if keys++; !validSocketKey(value) {
				return refuse("Sec-WebSocket-Key is not 16 bytes in base64 (RFC 6455 section 4.1)")
			}
		case fold(name, "sec-websocket-version"):
			if _, ok := parseLength(value); !ok || len(value) > 3 {
				return refuse("Sec-WebSocket-Version is not a number")
			}
			versions++
		case fold(name, "content-length"), fold(name, "transfer-encoding"), fold(name, "expect"):
			return refuse("a request for a WebSocket has no body (RFC 6455 section 4.1)")
		}
	}
	switch {
	case upgrades != 1 || !connectionNames(lines.raw, []byte("upgrade")):
		return refuse("Upgrade is not there once and listed in Connection (RFC 9110 section 7.8)")
	case keys != 1 || versions != 1:
		return refuse("there is not exactly one Sec-WebSocket-Key and Sec-WebSocket-Version (RFC 6455 section 4.1)")
	}
	return nil
}

func validSocketKey(v []byte) bool {
	var b [18]byte
	if len(v) != 24 {
		return false
	}
	n, err := base64.StdEncoding.Decode(b[:], v)
	return err == nil && n == 16
}

// socketAccept is the proof that the upstream has read this handshake, and did
// not answer another one or from a cache (RFC 6455 section 4.2.2). The GUID is
// the RFC's.
func socketAccept(key []byte) string {
	sum := sha1.Sum(append(append(make([]byte, 0, 64), key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Upgrade sends a handshake for a WebSocket on a connection of its own, which
// is never pooled, and reads the answer's head into rep. key is the client's
// Sec-WebSocket-Key. client is watched until the answer is there. Errors are
// those of Do.
//
// With a proper 101 the Tunnel is not nil: call Join or Close. Any other
// answer is an ordinary reply, to be relayed like one.
func (t *Transport) Upgrade(req *Request, rep *Reply, key []byte, client *Conn) (*Tunnel, error) {
	if !req.valid() || !req.NoBody || client == nil {
		return nil, &Error{Kind: BadRequest, Err: errLengths}
	}
	c, err := t.fresh()
	if err != nil {
		return nil, err
	}
	req.upgrade = true
	if e := c.shakeHands(req, rep, client); e != nil {
		return nil, e
	}
	if c.head.status != fasthttp.StatusSwitchingProtocols {
		c.accept(rep, &c.head, false)
		return nil, nil
	}
	rep.Status, rep.Length = c.head.status, 0
	rep.Header = ReplyHeader{raw: c.head.lines, reason: c.head.reason}
	if !rep.Header.switches(key) {
		return nil, c.failed(nil, errBadUpgrade, true)
	}
	c.unwatch() // from here on the client's connection is read all the time
	_ = c.sock.readUntil(time.Time{})
	t.count.tunnels.Add(1)
	return &Tunnel{c: c, client: client}, nil
}

// shakeHands writes the handshake and reads the head of the answer. On failure
// the connection is closed.
func (c *upConn) shakeHands(req *Request, rep *Reply, client *Conn) *Error {
	before := c.sock.wrote
	rep.Status, rep.Body, rep.Length = 0, nil, 0
	rep.Header, rep.early, rep.cutOff = ReplyHeader{}, false, false
	c.head = replyHead{}
	c.watchFor(client)
	sent := c.send(req)
	read := c.awaitHead(req, rep, &c.head, sent)
	if written := c.sock.wrote > before; read != nil || !written {
		if sent != nil && !written && errors.Is(read, os.ErrDeadlineExceeded) {
			read = sent
		}
		return c.failed(sent, read, written)
	}
	return nil
}

// switches reports whether a 101 answers the handshake with this key, and
// nothing else (RFC 6455 section 4.2.2). What frames a body has no place in
// it (RFC 9110 section 8.6, RFC 9112 section 6.1), and two lines of a kind
// that a client takes one of are two answers.
func (h *ReplyHeader) switches(key []byte) bool {
	var upgrades, accepts, protocols int
	for name, value := range h.All() {
		switch {
		case fold(name, "upgrade"):
			if upgrades++; !fold(value, "websocket") {
				return false
			}
		case fold(name, "sec-websocket-accept"):
			if accepts++; string(value) != socketAccept(key) {
				return false
			}
		case fold(name, "sec-websocket-protocol"):
			protocols++
		case fold(name, "transfer-encoding"), fold(name, "content-length") && string(value) != "0":
			return false
		}
	}
	return upgrades == 1 && accepts == 1 && protocols <= 1 && connectionNames(h.raw, []byte("upgrade"))
}

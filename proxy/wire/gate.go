package wire

import (
	"bytes"
	"errors"
)

// maxFramingLine bounds a Content-Length, Transfer-Encoding or Upgrade line,
// with its CRLF: it must be kept when it comes in pieces. Real ones have 30
// bytes.
const maxFramingLine = 128

var errAmbiguous = errors.New("the request's bytes can be read in two ways")

type gateState uint8

const (
	gateHead   gateState = iota // in a request head, or before one
	gateFixed                   // in a body of known length
	gateChunks                  // in a chunked body
	gateOpen                    // behind a request for a WebSocket: no HTTP
	gateBroken
)

// gate reads along with the server's parser, over every byte that a client
// sends, and stops the connection at the first one that another parser could
// take differently. It is there for what the parser does not show afterwards:
//
//   - a request line or header line that ends in LF alone, or has a CR inside
//     (RFC 9112 section 2.2 lets a recipient be lenient; two recipients that
//     are not equally lenient are a smuggled request);
//   - two lengths, or a length and a coding (sections 6.1 and 6.3);
//   - chunked bodies: LF alone, blanks around a size, sizes that overflow,
//     extensions and trailers without bound (section 7.1). What passes is what
//     chunkDecoder passes, the same as for replies.
//
// It follows the framing itself, so it knows where each request begins.
// Handlers run only for heads that it has seen there (see guard): a parser
// that is out of step serves nothing.
//
// Hot path: two vector searches a line, no allocation. The zero value is ready.
type gate struct {
	state  gateState
	lines  int // of the head so far, the request line included
	heads  uint64
	length int64 // announced, valid if sized
	sized  bool
	coded  bool
	socket bool // "Upgrade: websocket"

	size int  // of the line so far, if it comes in pieces
	cr   bool // the last piece of it ended in CR
	line [maxFramingLine]byte

	left   int64 // gateFixed
	inBody bool  // gateBroken: in a body
	chunks chunkDecoder
}

// check reads p, which follows what it has read before, and returns how much
// of it may be passed on: all, unless the byte after that is refused.
func (g *gate) check(p []byte) int {
	for i := 0; i < len(p); {
		switch g.state {
		case gateHead:
			n, ok := g.headPiece(p[i:])
			if i += n; !ok {
				g.state = gateBroken
				return i
			}
		case gateFixed:
			n := min(g.left, int64(len(p)-i))
			i += int(n)
			if g.left -= n; g.left == 0 {
				g.begin()
			}
		case gateChunks:
			_, n, err := g.chunks.next(p[i:])
			if i += n; err != nil {
				g.state, g.inBody = gateBroken, true
				return i
			}
			if g.chunks.done() {
				g.begin()
			}
		case gateOpen:
			return len(p)
		default:
			return i
		}
	}
	return len(p)
}

// begin awaits the next request.
func (g *gate) begin() {
	g.state, g.lines = gateHead, 0
	g.sized, g.coded, g.socket = false, false, false
}

// fresh reports whether the next byte is a request's first.
func (g *gate) fresh() bool {
	return g.state == gateHead && g.lines == 0 && g.size == 0 && !g.cr
}

// passed takes note of a head of the usual form that somebody else has judged,
// and announces a body of length bytes, or none.
func (g *gate) passed(length int64) {
	g.heads++
	if length > 0 {
		g.state, g.left = gateFixed, length
	}
}

// headPiece takes one line of the head, or what has come of it. If it is
// refused, n stands before the byte that would have completed it.
func (g *gate) headPiece(p []byte) (n int, ok bool) {
	if g.cr && p[0] != '\n' {
		return 0, false
	}
	lf := bytes.IndexByte(p, '\n')
	if lf < 0 {
		cr := bytes.IndexByte(p, '\r')
		if cr >= 0 && cr < len(p)-1 {
			return cr, false
		}
		g.cr = cr >= 0
		g.keep(p)
		return len(p), true
	}
	if lf == 0 && !g.cr || lf > 0 && bytes.IndexByte(p[:lf], '\r') != lf-1 {
		return max(lf-1, 0), false
	}
	line, size := p[:lf+1], lf+1
	if g.size > 0 {
		g.keep(line)
		size, line = g.size, g.line[:min(g.size, maxFramingLine)]
		g.size, g.cr = 0, false
	}
	return lf + 1, g.wholeLine(line, size)
}

// keep remembers the beginning of a line that comes in pieces.
func (g *gate) keep(p []byte) {
	if g.size < maxFramingLine {
		copy(g.line[g.size:], p)
	}
	g.size += len(p)
}

// wholeLine takes a line of size bytes, of which the beginning is enough.
func (g *gate) wholeLine(line []byte, size int) bool {
	switch {
	case size == 2 && g.lines == 0:
		// Empty lines before a request line are ignored (RFC 9112 section 2.2).
		return true
	case size == 2:
		return g.headEnd()
	case g.lines == 0:
		g.lines++
		return true
	}
	g.lines++
	switch line[0] | 0x20 {
	case 'c', 't', 'u':
		return g.field(line, size)
	}
	return true
}

// field follows the framing. Its verdicts are those of Head.Read; they are
// given here as well because the bytes behind the head are read by them.
func (g *gate) field(line []byte, size int) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 {
		return true // the parser refuses it
	}
	name := line[:colon]
	length, coding, upgrade := fold(name, "content-length"), fold(name, "transfer-encoding"), fold(name, "upgrade")
	if !length && !coding && !upgrade {
		return true
	}
	if size > maxFramingLine {
		return false
	}
	value := trimOWS(line[colon+1 : size-2])
	switch {
	case length:
		n, ok := parseLength(value)
		again := g.sized
		g.length, g.sized = n, true
		return ok && !again
	case coding:
		again := g.coded
		g.coded = true
		return fold(value, "chunked") && !again
	}
	g.socket = g.socket || fold(value, "websocket")
	return true
}

// headEnd decides what the next bytes are (RFC 9112 section 6.3).
func (g *gate) headEnd() bool {
	if g.sized && g.coded {
		return false
	}
	g.heads++
	switch {
	case g.coded:
		g.state, g.chunks = gateChunks, chunkDecoder{}
	case g.sized && g.length > 0:
		g.state, g.left = gateFixed, g.length
	case g.socket:
		g.state = gateOpen
	default:
		g.begin()
	}
	return true
}

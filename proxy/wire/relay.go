package wire

import (
	"bufio"
	"bytes"
	"net"
	"strconv"
	"sync"

	"github.com/valyala/fasthttp"
)

// Relay makes rep the answer to ctx: status and header lines as they came,
// less those that concern the upstream's connection only, and the body as a
// stream. It returns an error, and closes the body, only if the head cannot be
// carried over; ctx can then still be given another answer.
//
// Own lines are added with Reply.AddLine before; the header that ctx has is
// replaced, and nothing that is set there later is sure to be sent. tap, if not
// nil, sees every body byte, freed from the chunked coding, before it is
// written; it must not keep or change p.
//
// Relay takes over rep.Body. It is closed after the handler has returned, when
// the client has the last byte or has left. Whatever is read from the upstream
// is written to the client before the next wait. A known length stays known. A
// body that is cut ends the client's connection without a terminal chunk.
// Trailers are dropped, with their announcement (RFC 9110 section 6.5.1): none
// of the surfaces has any. Informational replies (1xx) do not get here, the
// transport takes them off (section 15.2).
//
// Turns keep the lines as they came. What fasthttp's server, which answers odd
// requests, does not keep: the casing of Server, Content-Type,
// Content-Encoding, Content-Length and Set-Cookie, which it writes in its own
// spelling and place; and of repeated Server or Content-Type lines, which no
// sender may write (section 5.3), all but the last. Values, repetition and all
// other lines stay.
func Relay(ctx *fasthttp.RequestCtx, rep *Reply, tap func(p []byte)) error {
	h := &ctx.Response.Header
	if b := rep.Body; b != nil {
		b.tap, b.client = tap, ClientConn(ctx)
	}
	if c := ClientConn(ctx); c != nil && c.turn != nil {
		c.turn.relay(rep)
		return nil
	}
	if err := carryHead(h, rep); err != nil {
		if rep.Body != nil {
			_ = rep.Body.Close()
		}
		ctx.Response.Reset()
		h.DisableNormalizing()
		return &Error{Kind: BrokeOff, Written: true, Err: errBadReplyHead}
	}
	// "Connection: close" between the upstream and us is not the client's.
	h.ResetConnectionClose()
	h.SetNoDefaultContentType(true)
	if client := ClientConn(ctx); rep.early && client != nil {
		// The client may be sending still, and shall read why it need not.
		client.LingerOnClose()
	}
	if rep.cutOff {
		h.SetConnectionClose()
	}
	b := rep.Body
	if b == nil {
		return nil
	}
	if b.framing != fixedLength && !ctx.Request.Header.IsHTTP11() {
		relayUntilClose(ctx, b)
		return nil
	}
	if b.streams() {
		relayInLoop(ctx, rep)
		return nil
	}
	size := -1
	if b.framing == fixedLength {
		size = int(b.toCome())
	}
	ctx.Response.SetBodyStream(b, size)
	// With body bytes at hand the head leaves with them. Else it leaves now:
	// the client of a stream wants to know that it has begun.
	switch {
	case size < 0:
		ctx.Response.ImmediateHeaderFlush = !b.ready()
	case !b.whole():
		// The head must have left the server's buffer for Conn.ReadFrom to
		// take over; Conn keeps it until the first piece.
		ctx.Response.ImmediateHeaderFlush = true
		if b.client != nil {
			b.client.hold()
		}
	}
	return nil
}

// headCarrier feeds header lines to fasthttp's parser. Adding lines one by one
// would cost more, and could not carry Date at all.
type headCarrier struct {
	lines []byte
	src   bytes.Reader
	br    *bufio.Reader
}

const carrierSize = 16 << 10

var carriers = sync.Pool{New: func() any {
	c := new(headCarrier)
	c.br = bufio.NewReaderSize(&c.src, carrierSize)
	return c
}}

// carryHead sets h to the status and the end-to-end lines of rep.
func carryHead(h *fasthttp.ResponseHeader, rep *Reply) error {
	c := carriers.Get().(*headCarrier)
	defer carriers.Put(c)
	c.lines = appendReplyHead(c.lines[:0], rep)
	c.src.Reset(c.lines)
	br := c.br
	if len(c.lines) >= carrierSize {
		br = bufio.NewReaderSize(&c.src, len(c.lines)+1)
		c.lines = nil
	} else {
		br.Reset(&c.src)
	}
	if err := h.Read(br); err != nil {
		return err
	}
	if len(h.ContentEncoding()) > 0 {
		joinEncodings(h, &rep.Header)
	}
	return nil
}

// joinEncodings makes a list that came on several lines one line, which is the
// same list (RFC 9110 section 5.3): fasthttp keeps only the last of them, and
// the client would take off only one coding.
func joinEncodings(h *fasthttp.ResponseHeader, from *ReplyHeader) {
	n := 0
	for name := range from.All() {
		if fold(name, "content-encoding") {
			n++
		}
	}
	if n < 2 {
		return
	}
	var list []byte
	for name, value := range from.All() {
		if fold(name, "content-encoding") && len(value) > 0 {
			if len(list) > 0 {
				list = append(list, ", "...)
			}
			list = append(list, value...)
		}
	}
	h.SetContentEncodingBytes(list)
}

// appendReplyHead appends a head without hop-by-hop lines and without framing,
// which fasthttp's server writes itself. For a reply without a body, such as
// one to HEAD, Content-Length is a statement about the resource and stays.
func appendReplyHead(dst []byte, rep *Reply) []byte {
	dst = appendReplyLines(dst, rep)
	if rep.Body == nil && rep.Length >= 0 {
		return appendLength(dst, rep.Length)
	}
	return append(dst, crlf...)
}

// appendReplyLines appends status and end-to-end lines, and those of AddLine.
func appendReplyLines(dst []byte, rep *Reply) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(rep.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, rep.Header.reason...)
	dst = append(dst, crlf...)
	dst = appendLines(dst, rep.Header.raw, nil)
	return append(dst, rep.own...)
}

// appendLength appends a Content-Length and the end of the head.
func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, crlf+crlf...)
}

// relayUntilClose answers an HTTP/1.0 client with a body of unknown length,
// which only the close can end. fasthttp's server would send chunks, so the
// connection is taken from it. nginx speaks HTTP/1.0 to its upstreams unless
// told otherwise, so this is not a museum piece.
func relayUntilClose(ctx *fasthttp.RequestCtx, b *Body) {
	ctx.Response.Header.SetContentLength(-2)
	ctx.Response.Header.SetConnectionClose()
	ctx.HijackSetNoResponse(true)
	client := b.client
	b.client = nil // no terminal chunk follows for which to hold bytes
	ctx.Hijack(func(c net.Conn) {
		// The header is read only now: the handler may have added lines.
		_, err := c.Write(ctx.Response.Header.Header())
		if err == nil {
			_, err = b.WriteTo(c)
		}
		_ = b.Close()
		if err != nil && client != nil {
			client.Abort()
		}
	})
}

package wire

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// passGate hands in to a gate in pieces of at most step bytes and returns how
// much passed.
func passGate(in []byte, step int) (passed int, g gate) {
	for passed < len(in) {
		piece := in[passed:min(passed+step, len(in))]
		n := g.check(piece)
		if passed += n; n < len(piece) {
			break
		}
	}
	return passed, g
}

// The verdict is the same in whatever pieces the bytes come, and a request
// that is refused is never whole before it.
func TestGateJudgesPiecesAsTheWhole(t *testing.T) {
	for _, p := range corpus(t) {
		in := []byte(p.raw)
		_, whole := passGate(in, len(in))
		for _, step := range []int{1, 2, 3, 7, 64} {
			_, pieces := passGate(in, step)
			if whole.state != pieces.state || whole.heads != pieces.heads || whole.inBody != pieces.inBody {
				t.Errorf("%s in pieces of %d: state %d after %d heads, whole: state %d after %d heads",
					p.where, step, pieces.state, pieces.heads, whole.state, whole.heads)
			}
		}
		if p.status == 0 && whole.heads == 0 {
			t.Errorf("%s: the gate refuses what is passed on", p.where)
		}
	}
}

// Framing lines that come in pieces are followed like whole ones.
func TestGateFollowsFramingInPieces(t *testing.T) {
	stream := []byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get +
		"POST / HTTP/1.1\r\nHost: x\r\nCookie: " + strings.Repeat("c", 3*maxFramingLine) + "\r\nContent-Length: 4\r\n\r\nabcd" + get)
	for step := range len(stream) {
		if n, g := passGate(stream, step+1); n != len(stream) || g.heads != 5 || g.state != gateHead {
			t.Fatalf("in pieces of %d: %d of %d bytes passed, %d heads, state %d; want all, 5 heads", step+1, n, len(stream), g.heads, g.state)
		}
	}
}

// Two framings are refused by the gate itself, not only by Head.Read behind it:
// it decides by them what the next bytes are.
func TestGateRefusesTwoFramings(t *testing.T) {
	const length, coding = "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"
	for _, lines := range []string{length + coding, coding + length, length + length, coding + coding} {
		in := []byte("POST / HTTP/1.1\r\nHost: x\r\n" + lines + crlf)
		if _, g := passGate(in, len(in)); g.state != gateBroken || g.heads != 0 {
			t.Errorf("%q: state %d after %d heads, want it refused", lines, g.state, g.heads)
		}
	}
}

// A parser that reads a request where the gate saw none begin serves nothing.
func TestRequestThatTheGateHasNotSeenIsRefused(t *testing.T) {
	served := 0
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := NewServer(func(ctx *fasthttp.RequestCtx) {
		served++
		ClientConn(ctx).gate.heads = 0 // as if the parser were ahead
	}, ServerOptions{})
	go srv.Serve(WrapListener(ln))
	defer ln.Close()
	c := dialClient(t, ln.Addr().String())
	c.send(t, get)
	if got, closes := c.statusOfReply(); got != 200 || closes {
		t.Fatalf("got %d, close %v; want 200", got, closes)
	}
	c.send(t, get)
	if got, closes := c.statusOfReply(); got != 400 || !closes || served != 1 {
		t.Errorf("got %d, close %v, %d served; want 400, a close, and 1", got, closes, served)
	}
}

// The reason arrives although the client is still sending: closing with bytes
// unread would be a reset, which destroys it.
func TestReasonReachesAClientThatStillSends(t *testing.T) {
	w := new(wiretap)
	u := newUpstream(t, false, w.serve)
	g := newGateway(t, Config{Address: u.addr})
	for range 5 {
		c := dialClient(t, g.addr)
		// All of it is sent before a byte of the reply is read.
		c.send(t, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("a", 8<<20))
		if got, closes := c.statusOfReply(); got != 431 || !closes {
			t.Errorf("got %d, close %v; want 431", got, closes)
		}
		if _, err := io.Copy(io.Discard, c.br); err != nil {
			t.Errorf("after the reply: got %v, want a plain end", err)
		}
		c.Close()
	}
}

// Behind a request for a WebSocket come frames, not HTTP. But a body makes it
// a request like any other.
func TestGateOpensForWebSockets(t *testing.T) {
	const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
	frames := "\n\r\x00\x81\x05hello\n\n"
	if n, g := passGate([]byte(upgrade+crlf+frames), 3); n != len(upgrade)+2+len(frames) || g.heads != 1 {
		t.Errorf("frames: %d bytes passed, %d heads; want all, 1 head", n, g.heads)
	}
	for _, body := range []string{"Content-Length: 2\r\n\r\nhi\n", "Transfer-Encoding: chunked\r\n\r\n2\nhi"} {
		in := []byte(upgrade + body)
		if n, g := passGate(in, len(in)); n == len(in) || g.state != gateBroken {
			t.Errorf("%q passed", body)
		}
	}
}

// Nothing that stands behind a request for a WebSocket is served as a request
// if the answer was another one.
func TestNothingFollowsARefusedWebSocket(t *testing.T) {
	w := new(wiretap)
	u := newUpstream(t, false, w.serve)
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	c.send(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+marker)
	if got, closes := c.statusOfReply(); got != 200 || !closes {
		t.Errorf("got %d, close %v; want the upstream's 200 and a close", got, closes)
	}
	if got, n := w.take(); n != 1 || strings.Contains(got, "marker") {
		t.Errorf("%d requests went upstream, want 1", n)
	}
}

// The parser finds no more requests in a stream than the gate, and none after
// the place where the gate stopped: whatever a handler is called for begins
// where the gate saw it begin. In pieces the verdict is the same.
func FuzzGate(f *testing.F) {
	for _, p := range corpus(f) {
		if len(p.raw) < 1000 { // a long seed is minimised for minutes
			f.Add([]byte(p.raw+marker), uint8(1))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		passed, whole := passGate(in, len(in)+1)
		n, pieces := passGate(in, int(step)+1)
		if whole.state != pieces.state || whole.heads != pieces.heads || n > len(in) {
			t.Fatalf("%q: whole: state %d, %d heads; in pieces of %d: state %d, %d heads",
				in, whole.state, whole.heads, step+1, pieces.state, pieces.heads)
		}
		if whole.state == gateOpen {
			return
		}
		br := bufio.NewReaderSize(strings.NewReader(string(in[:passed])), 64<<10)
		for served := uint64(0); ; served++ {
			var req fasthttp.Request
			req.Header.DisableNormalizing()
			if req.Header.Read(br) != nil || new(Head).Read(&req.Header) != nil {
				return
			}
			if served >= whole.heads {
				t.Fatalf("%q: the parser reads request %d, the gate has seen %d", in, served+1, whole.heads)
			}
			if req.ContinueReadBody(br, 1<<20, false) != nil {
				return
			}
		}
	})
}

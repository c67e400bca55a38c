package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// A rawSocket speaks frames as bytes.
type rawSocket struct {
	net.Conn
	br *bufio.Reader
}

func (w *world) rawResponses() *rawSocket {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(w.t, err)
	w.t.Cleanup(func() { conn.Close() })
	must(w.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, "GET /v1/responses HTTP/1.1\r\nHost: x\r\n"+strings.Join(handshake, "\r\n")+"\r\n\r\n")
	must(w.t, err)
	s := &rawSocket{conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(s.br, nil)
	must(w.t, err)
	if resp.StatusCode != 101 {
		w.t.Fatalf("got %d", resp.StatusCode)
	}
	return s
}

// clientFrame is a masked frame.
func clientFrame(fin bool, op byte, payload string) []byte {
	head := []byte{op, 0x80}
	if fin {
		head[0] |= 0x80
	}
	switch n := len(payload); {
	case n < 126:
		head[1] |= byte(n)
	case n < 1<<16:
		head[1] |= 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] |= 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	mask := []byte{1, 2, 3, 250}
	head = append(head, mask...)
	for i := range len(payload) {
		head = append(head, payload[i]^mask[i&3])
	}
	return head
}

// read reads one frame of the gateway's.
func (s *rawSocket) read() (op byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.br, head[:]); err != nil {
		return 0, "", err
	}
	n := int(head[1])
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(s.br, long[:]); err != nil {
			return 0, "", err
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	b := make([]byte, n)
	_, err = io.ReadFull(s.br, b)
	return head[0] & 0xf, string(b), err
}

// until reads frames up to a close frame, an event of a type or the end, and
// counts pongs.
func (s *rawSocket) until(event string) (closed uint16, pongs int) {
	for {
		op, payload, err := s.read()
		switch {
		case err != nil:
			return 0, pongs
		case op == 0x8 && len(payload) >= 2:
			return binary.BigEndian.Uint16([]byte(payload)), pongs
		case op == 0xa:
			pongs++
		case strings.Contains(payload, `"type":"`+event+`"`):
			return 0, pongs
		}
	}
}

// A message may come in fragments, with pings between them, and every byte on
// its own.
func TestFragmentsAreOneMessage(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	message := createOf(`"providerOptions":{"gateway":{"only":["openai"]}}`)
	whole := clientFrame(true, 0x1, message)
	var pieces [][]byte
	for i := 0; i <= len(message); i += 7 {
		op := byte(0x0)
		if i == 0 {
			op = 0x1
		}
		pieces = append(pieces, clientFrame(i+7 > len(message), op, message[i:min(i+7, len(message))]), clientFrame(true, 0x9, fmt.Sprint("ping", i)))
	}
	fragments := bytes.Join(pieces, nil)
	empty := append(append(clientFrame(false, 0x1, ""), clientFrame(false, 0x0, message)...), clientFrame(true, 0x0, "")...)
	for i, b := range [][]byte{whole, fragments, empty} {
		s := w.rawResponses()
		for _, at := range []int{1, len(b)} {
			for rest := b; len(rest) > 0; rest = rest[min(at, len(rest)):] {
				_, err := s.Write(rest[:min(at, len(rest))])
				must(t, err)
			}
			if code, pongs := s.until("response.completed"); code != 0 || i == 1 && pongs == 0 {
				t.Errorf("%d, in steps of %d: closed with %d, %d pongs", i, at, code, pongs)
			}
			w.paidByOwner(1, "openai#1")
		}
	}
	// A boundary at every byte, in two writes.
	s := w.rawResponses()
	for at := 1; at < len(whole); at++ {
		for _, part := range [][]byte{whole[:at], whole[at:]} {
			_, err := s.Write(part)
			must(t, err)
		}
		if code, _ := s.until("response.completed"); code != 0 {
			t.Fatalf("cut at %d: closed with %d", at, code)
		}
	}
	w.paidByOwner(len(whole)-1, "openai#1")
}

// What RFC 6455 forbids, and what is no text, ends the connection with the
// code for it, and never reaches the gateway.
func TestMalformedFramesAreRefused(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Limits.ScanWindow = 10_000 })
	w.keep("shop", "openai", openaiCanary)
	message := createOf("")
	reserved := clientFrame(true, 0x1, message)
	reserved[0] |= 0x40
	long := append([]byte{0x81, 0x80 | 126, 0, 5, 1, 2, 3, 4}, "hello"...)
	longer := append([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 3, 4}, make([]byte, 256)...)
	for name, c := range map[string]struct {
		frames []byte
		code   uint16
	}{
		"unmasked":                  {append([]byte{0x81, byte(len(`{"type":"x"}`))}, `{"type":"x"}`...), 1002},
		"compressed":                {reserved, 1002},
		"unknown opcode":            {clientFrame(true, 0x3, message), 1002},
		"unknown control":           {clientFrame(true, 0xb, ""), 1002},
		"fragmented ping":           {clientFrame(false, 0x9, "x"), 1002},
		"long ping":                 {clientFrame(true, 0x9, strings.Repeat("x", 126)), 1002},
		"half a close code":         {clientFrame(true, 0x8, "x"), 1002},
		"continuation of nothing":   {clientFrame(true, 0x0, message), 1002},
		"text within a message":     {append(clientFrame(false, 0x1, message), clientFrame(true, 0x1, message)...), 1002},
		"length too long":           {long, 1002},
		"length much too long":      {longer, 1002},
		"length with the top bit":   {[]byte{0x81, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4}, 1002},
		"binary":                    {clientFrame(true, 0x2, message), 1003},
		"binary, fragmented":        {append(clientFrame(false, 0x2, message[:9]), clientFrame(true, 0x0, message[9:])...), 1003},
		"no UTF-8":                  {clientFrame(true, 0x1, createOf("\"x\":\"\xff\"")), 1007},
		"too large":                 {clientFrame(true, 0x1, createOf(`"x":"`+strings.Repeat("x", 10_000)+`"`)), 1009},
		"too large in fragments":    {append(clientFrame(false, 0x1, strings.Repeat("x", 9_000)), clientFrame(true, 0x0, strings.Repeat("x", 1_001))...), 1009},
		"much too large, announced": {[]byte{0x81, 0x80 | 127, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, 1009},
	} {
		s := w.rawResponses()
		w.arrived()
		_, err := s.Write(c.frames)
		must(t, err)
		if code, _ := s.until("nothing"); code != c.code {
			t.Errorf("%s: closed with %d, want %d", name, code, c.code)
		}
		if got := w.messages(); len(got) != 0 || len(w.paid()) != 0 {
			t.Errorf("%s: %d messages went upstream", name, len(got))
		}
		s.Close()
	}
	waitFor(t, func() bool {
		return w.handler.InFlight() == 0 && w.handler.snap.Load().gateway.transport.Stats().Open == 0
	})
}

// The close of either side arrives with its code, a message that is not
// complete is dropped, and nothing follows a close.
func TestJudgedSocketsClose(t *testing.T) {
	g := newSocketGateway(t, false)
	w := g.through(t, nil)
	w.keep("shop", "openai", openaiCanary)
	conn := w.responses()
	must(t, conn.Close(4001, "enough"))
	if how := <-g.closes; how != "4001 enough" {
		t.Errorf("the client closed: got %q", how)
	}
	s := w.rawResponses()
	_, err := s.Write(append(append(clientFrame(false, 0x1, createOf("")), clientFrame(true, 0x8, "\x03\xe8")...), clientFrame(true, 0x0, "")...))
	must(t, err)
	if how := <-g.closes; how != "1000 " {
		t.Errorf("the client closed within a message: got %q", how)
	}
	s.Close()
	s = w.rawResponses()
	_, err = s.Write(clientFrame(false, 0x1, createOf("")))
	must(t, err)
	s.Close()
	if how := <-g.closes; how != "no close frame" {
		t.Errorf("the client left within a message: got %q", how)
	}
	waitFor(t, func() bool {
		s := w.handler.snap.Load().gateway.transport.Stats()
		return w.handler.InFlight() == 0 && w.handler.conns.count() == 0 && s.Open == 0 && s.Tunnels == 0 && g.open.Load() == 0
	})

	// The gateway closes, or breaks off in the middle of an answer.
	for _, after := range []int{0, 3} {
		w := newWorld(t, func(_ *Config, box *sandbox.Config) {
			box.Fault = func(*http.Request, int) sandbox.Fault { return sandbox.Fault{Kind: sandbox.FaultCut, After: after} }
		})
		w.keep("shop", "openai", openaiCanary)
		conn := w.responses()
		if _, code := w.say(conn, createOf("")); code != -1 {
			t.Errorf("cut after %d events: closed with %d", after, code)
		}
		conn.CloseNow()
		w.paidByOwner(1, "openai#1")
		waitFor(t, func() bool { return w.handler.InFlight() == 0 })
	}
	bad := newWorld(t, func(_ *Config, box *sandbox.Config) { box.ProviderKeys, box.NoFallback = nil, true })
	bad.keep("shop", "openai", openaiCanary)
	if last, code := bad.say(bad.responses(), createOf("")); code != 1008 || last["type"] != "error" {
		t.Errorf("a wrong key: got %v and %d", last["type"], code)
	}
}

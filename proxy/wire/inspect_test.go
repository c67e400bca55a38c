package wire

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// serverFrame is an unmasked frame; fin false begins or continues a message.
func serverFrame(fin bool, op byte, text string) []byte {
	b := append(appendFrameHead(nil, op, len(text), nil), text...)
	if !fin {
		b[0] &^= 0x80
	}
	return b
}

// readClientFrame reads one masked frame and unmasks it.
func readClientFrame(t *testing.T, br *bufio.Reader) (op byte, mask [4]byte, payload string) {
	t.Helper()
	for n := 2; ; n++ {
		b, err := br.Peek(n)
		if err != nil {
			t.Error(err)
			return 0xff, mask, ""
		}
		h, ok := parseFrameHead(b)
		if !ok {
			continue
		}
		br.Discard(h.size)
		body := make([]byte, h.length)
		if _, err := io.ReadFull(br, body); err != nil || !h.masked || !h.fin {
			t.Errorf("not one whole masked frame: %v", err)
		}
		return h.op, h.mask, string(appendMasked(nil, body, h.mask, 0))
	}
}

// passAll is an Inspector that puts a word around each message.
func passAll() *Inspector {
	return &Inspector{
		Max: 1 << 20, Sent: func() {},
		Judge: func(m []byte) ([][]byte, *Closing) { return [][]byte{[]byte("<"), m, nil, []byte(">")}, nil },
	}
}

// A judged message goes upstream as one frame with a mask of its own; control
// frames overtake it, as they are.
func TestInspectedMessagesAreFramedAnew(t *testing.T) {
	fourWays(t, func(t *testing.T, clientTLS, upstreamTLS bool) {
		long := strings.Repeat("long ", 30_000)
		finished := make(chan struct{})
		u := newUpstream(t, upstreamTLS, switching(func(c net.Conn, br *bufio.Reader) {
			defer close(finished)
			var masks [][4]byte
			for _, want := range []string{"<hello>", "<hello>", "ping", "<" + long + ">", "\x03\xe8"} {
				_, mask, payload := readClientFrame(t, br)
				if payload != want {
					t.Errorf("got %.40q, want %.40q", payload, want)
				}
				masks = append(masks, mask)
			}
			if masks[0] == masks[1] || masks[0] == [4]byte{} {
				t.Error("a mask was used twice")
			}
		}))
		g := newTunneller(t, u, clientTLS, nil)
		g.inspect = passAll()
		c, _ := g.join(t)
		parts, first := frames(opText, long[:1000], long[1000:]), len(frames(opText, long[:1000]))
		for _, b := range [][]byte{
			frames(opText, "hello"), frames(opText, "he", "", "llo"), parts[:first], frames(opPing, "ping"), parts[first:], frames(opClose, "\x03\xe8"),
		} {
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		<-finished
		c.Close()
		g.closed(t)
	})
}

// A close frame of ours stands between two frames of the upstream's, and the
// message before it between two messages.
func TestClosingStandsBetweenFrames(t *testing.T) {
	closing := &Closing{Message: []byte(`{"type":"error"}`), Code: 1008, Reason: "no"}
	end := string(serverFrame(true, opClose, "\x03\xf0no"))
	whole := string(serverFrame(true, opText, strings.Repeat("x", 300)))
	for name, c := range map[string]struct{ before, after, want string }{
		"between two":                    {whole, whole, whole + string(serverFrame(true, opText, `{"type":"error"}`)) + end},
		"in the middle of one":           {whole[:100], whole[100:] + whole, whole + string(serverFrame(true, opText, `{"type":"error"}`)) + end},
		"in the middle of its head":      {whole[:1], whole[1:] + whole, whole + string(serverFrame(true, opText, `{"type":"error"}`)) + end},
		"between the parts of a message": {string(serverFrame(false, opText, "a")), string(serverFrame(true, opContinuation, "b")), string(serverFrame(false, opText, "a")) + end},
		"behind the upstream's close":    {string(serverFrame(true, opClose, "\x03\xe8")), "", string(serverFrame(true, opClose, "\x03\xe8"))},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, false, switching(func(conn net.Conn, br *bufio.Reader) {
				io.WriteString(conn, c.before)
				if op, _, payload := readClientFrame(t, br); op != opClose || payload != "\x03\xe9" {
					t.Errorf("the upstream is told %x %q, want that the client goes away", op, payload)
				}
				io.WriteString(conn, c.after)
			}))
			g := newTunneller(t, u, false, nil)
			g.inspect = passAll()
			g.inspect.Judge = func([]byte) ([][]byte, *Closing) { return nil, closing }
			client, br := g.join(t)
			client.SetReadDeadline(time.Now().Add(20 * time.Second))
			got := make([]byte, len(c.before))
			if _, err := io.ReadFull(br, got); err != nil {
				t.Fatal(err)
			}
			client.Write(frames(opText, "bad"))
			client.Write(frames(opText, "more")) // nobody reads it
			rest, err := io.ReadAll(br)
			if got = append(got, rest...); err != nil || string(got) != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
			client.Close()
			if e := <-g.ends; e.err != nil {
				t.Errorf("ended with %v", e.err)
			}
			g.closed(t)
		})
	}
}

// What the upstream says is shown as it passes, and not a byte is changed.
func TestMessagesFromTheUpstreamAreSeen(t *testing.T) {
	said := bytes.Join([][]byte{
		serverFrame(false, opText, "one "), serverFrame(true, opPing, "p"), serverFrame(true, opContinuation, "message"),
		serverFrame(true, opBinary, "unseen"), serverFrame(true, opText, strings.Repeat("y", 70_000)), serverFrame(true, opClose, "\x03\xe8"),
	}, nil)
	u := newUpstream(t, false, switching(func(conn net.Conn, br *bufio.Reader) {
		for i := range said {
			if i > 300 {
				conn.Write(said[i:])
				break
			}
			conn.Write(said[i : i+1])
		}
		io.Copy(io.Discard, br)
	}))
	g := newTunneller(t, u, false, nil)
	var seen []string
	part := ""
	g.inspect = passAll()
	g.inspect.Seen = func(b []byte, last bool) {
		if part += string(b); last {
			seen, part = append(seen, part), ""
		}
	}
	client, br := g.join(t)
	got := make([]byte, len(said))
	if _, err := io.ReadFull(br, got); err != nil || !bytes.Equal(got, said) {
		t.Errorf("the bytes differ: %v", err)
	}
	client.Close()
	<-g.ends
	if len(seen) != 2 || seen[0] != "one message" || len(seen[1]) != 70_000 {
		t.Errorf("seen: %d messages", len(seen))
	}
}

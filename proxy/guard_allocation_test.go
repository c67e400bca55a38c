//go:build !race

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/sandbox"
)

// The race detector allocates; .ci/run runs this without it.

// A loop is a client that sends one request again and again on one connection,
// and an upstream that has one reply, neither of which allocates: what is
// counted is the sidecar's.
type loop struct {
	conn    net.Conn
	request []byte
	reply   *bufio.Reader
	length  int // of the reply
}

func newLoop(t *testing.T, w *world, model string) *loop {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	body := `{"model":"` + model + `","messages":[]}`
	l := &loop{conn: conn, reply: bufio.NewReaderSize(conn, 64<<10)}
	l.request = fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	_, err = conn.Write(l.request)
	must(t, err)
	first, err := l.reply.ReadBytes('}')
	must(t, err)
	l.length = len(first) + l.reply.Buffered() // it came in one piece, or the next ones will not end
	for range 50 {
		l.reply.Discard(l.reply.Buffered())
		l.once(t)
	}
	return l
}

func (l *loop) once(t *testing.T) {
	if _, err := l.conn.Write(l.request); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < l.length; {
		if _, err := l.reply.Peek(1); err != nil {
			t.Fatal(err)
		}
		k, err := l.reply.Discard(min(l.reply.Buffered(), l.length-n))
		if n += k; err != nil {
			t.Fatal(err)
		}
	}
}

// The guard costs no allocation: a small call of an owner's, judged before it
// is passed on, allocates no more than a system call.
func TestAllocGuardedCall(t *testing.T) {
	up := cannedUpstream(t, ownersReply())
	count := func(mode, model string) float64 {
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL, c.BYOK.Guard = up, mode })
		w.keep("shop", "openai", openaiCanary)
		w.handler.log = zerolog.New(io.Discard)
		l := newLoop(t, w, model)
		return testing.AllocsPerRun(300, func() { l.once(t) })
	}
	system := count(GuardStrict, "cohere/command-a")
	off, report, strict := count(GuardOff, "openai/gpt-5"), count(GuardReport, "openai/gpt-5"), count(GuardStrict, "openai/gpt-5")
	t.Logf("allocations of a whole call: system %v, owner with guard off %v, report %v, strict %v", system, off, report, strict)
	if off > system || report > system || strict > system {
		t.Errorf("an owner's call allocates more than a system call")
	}
}

func TestAllocJudge(t *testing.T) {
	reply := []byte(ownersReply()[strings.Index(ownersReply(), "{"):])
	event := []byte("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n")
	var j judge
	n := testing.AllocsPerRun(100, func() {
		j.begin(formJSON)
		j.feed(reply)
		j.end()
		if !j.found.owner {
			t.Fatal("not judged")
		}
		j.begin(formEvents)
		j.feed(event)
	})
	if n != 0 {
		t.Errorf("judging allocates %v times, want 0", n)
	}
}

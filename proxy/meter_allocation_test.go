//go:build !race

package proxy

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/detect"
)

// Counting a request, its reply's tokens and its events allocates nothing, and
// neither does deciding on its line and writing it.
func TestAllocMeter(t *testing.T) {
	b := newBench(t)
	b.h.log = zerolog.New(discard{})
	x := b.exchange(1, "/v1/chat/completions", "")
	head := "GET / HTTP/1.1\r\nHost: x\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n" +
		"x-request-id: 7f3a9bb2-c4d5-4e6f-8a90-0123456789ab\r\nuser-agent: x\r\n\r\n"
	if err := x.ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(head))); err != nil {
		t.Fatal(err)
	}
	if err := x.header.lines.Read(&x.ctx.Request.Header); err != nil {
		t.Fatal(err)
	}
	event := []byte("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n")
	run := func() {
		x.ids = callerIDs{}
		x.ids.read(x.header.lines)
		x.plan.Route, x.surface, x.provider = RouteSystem, detect.Chat, "cohere"
		x.account = account{start: time.Now(), status: 200, relayed: true, kind: replyStream, up: 10}
		x.guard = watch{reads: true, keys: x.guard.keys[:0]}
		x.rep.Status = 200
		x.guard.judge.begin(formEvents)
		x.watch(event)
		x.countTokens()
		x.h.meter.add(x, 100)
		if !x.logged(nil) || !x.ids.traced || x.account.tokens.Output != 4 {
			t.Fatal("not counted")
		}
		x.line(100, nil)
	}
	run()
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("accounting for a request allocates %v times, want 0", n)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

package bench

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLiveOnATerminalIsOneLine(t *testing.T) {
	var out strings.Builder
	l := NewLive(&out, Settings{Rounds: 5, Duration: 10 * time.Second, Warmup: 2 * time.Second}, 120)
	f := func(p Progress, want string) {
		t.Helper()
		out.Reset()
		l.Progress(p)
		if got := out.String(); got != "\r\x1b[K"+want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p := Progress{Scenario: "chat", Target: "sidekey", Round: 2, Rounds: 5, Done: 11, Total: 50, Warmup: true, Elapsed: time.Second}
	f(p, "chat, round 2 of 5: sidekey · warm-up · 8 min left")
	p.Warmup, p.Elapsed, p.Tick = false, 4*time.Second, Tick{Requests: 1539, P99: 634 * time.Microsecond}
	f(p, "chat, round 2 of 5: sidekey · 4 s of 10 s · 1,539 requests/s, p99 634 µs · 8 min left")
	p.Tick = Tick{Requests: 4, Events: 20450, Errors: 3, P99: 10200 * time.Microsecond}
	p.Done = 49
	f(p, "chat, round 2 of 5: sidekey · 4 s of 10 s · 20,450 events/s, p99 of the gaps 10.2 ms · 3 failed · 6 s left")

	p.Target = strings.Repeat("long\x1b[2J", 40)
	out.Reset()
	l.Progress(p)
	got := strings.TrimPrefix(out.String(), "\r\x1b[K")
	if utf8.RuneCountInString(got) >= 120 || strings.Contains(got, "\x1b") {
		t.Errorf("a long name leaves the line: %q", got)
	}

	// A round that ended well leaves nothing behind, another one a line.
	out.Reset()
	l.Round(steady("sidekey", 1, time.Millisecond))
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
	r := steady("sidekey", 1, time.Millisecond)
	r.Short = "the driver was the limit"
	l.Round(r)
	if !strings.HasSuffix(out.String(), "does not count: the driver was the limit\n") {
		t.Errorf("got %q", out.String())
	}
	out.Reset()
	l.Close()
	if out.String() != "\r\x1b[K" {
		t.Errorf("the line stays: %q", out.String())
	}
}

func TestLiveElsewhereIsALineForEachRound(t *testing.T) {
	var out strings.Builder
	l := NewLive(&out, Settings{Rounds: 5}, 0)
	l.Progress(Progress{Scenario: "chat"})
	r := steady("sidekey\n", 2, time.Millisecond)
	r.Errors = map[string]int64{"dial": 1, "reset": 2}
	r.Process = &Usage{User: 25 * time.Millisecond}
	l.Round(r)
	l.Close()
	want := "chat, round 2 of 5: sidekey? · requests 500 /s · p50 1.00 ms · p99 1.00 ms · CPU/request 25.0 µs · 3 failed: 2 reset, 1 dial\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	stream := madeUpRun(1, madeUpTargets[:2], []string{"stream"}, 1).Rounds[1]
	l.Round(stream)
	for _, part := range []string{"events 20,", "first p50 ", "gap p99 10.", "CPU/event 1", "memory/stream 1"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in %q", part, out.String())
		}
	}
}

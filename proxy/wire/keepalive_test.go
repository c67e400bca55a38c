package wire

import (
	"bufio"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdleLimitFollowsTheServer(t *testing.T) {
	const limit = time.Minute
	for value, want := range map[string]time.Duration{
		"":                                limit,
		"timeout=5":                       4 * time.Second,
		"timeout=5, max=100":              4 * time.Second,
		"max=100 , Timeout = 5":           4 * time.Second,
		"timeout=2":                       time.Second,
		"timeout=1":                       500 * time.Millisecond,
		"timeout=0":                       0,
		"timeout=60":                      59 * time.Second,
		"timeout=61":                      limit,
		"timeout=75":                      limit,
		"timeout=9223372036854775807":     limit,
		"timeout=99999999999999999999999": limit,
		"timeout=-5":                      limit,
		"timeout":                         limit,
		"max=5":                           limit,
	} {
		if got := idleLimit([]byte(value), limit); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

// A connection is not used in the last second before the server closes it.
func TestConnectionIsLeftAloneBeforeTheServerClosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := mustTransport(t, memoryDialer(func(c net.Conn) {
			br := bufio.NewReader(c)
			for {
				if _, _, err := readRequest(br); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n")
			}
		}))
		for _, step := range []struct {
			pause time.Duration
			dials int64
		}{{0, 1}, {3900 * time.Millisecond, 1}, {4100 * time.Millisecond, 2}} {
			time.Sleep(step.pause)
			if err := tr.Do(getRequest(), new(Reply), nil); err != nil {
				t.Fatal(err)
			}
			if got := tr.Stats().Dials; got != step.dials {
				t.Errorf("after a pause of %v: got %d connections, want %d", step.pause, got, step.dials)
			}
		}
		tr.Close()
	})
}

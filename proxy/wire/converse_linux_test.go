package wire

import (
	"strings"
	"testing"
)

// A request on a connection that has served, and its answer, are one
// conversation, over TLS too; so is a larger one over plaintext, as far as the
// kernel takes it at once.
func TestRequestAndAnswerAreOneConversation(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, size := range map[string]int{"small": 100, "some records long": 15 << 10, "large": 100 << 10} {
			u := newUpstream(t, overTLS, oneReply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			tr := mustTransport(t, Config{Address: u.addr, TLS: u.client})
			var at []stage
			for range 3 {
				body := []byte(strings.Repeat("x", size))
				req := Request{Head: []byte("POST / HTTP/1.1\r\nHost: x\r\n"), Body: [][]byte{body}, Length: int64(size), Method: "POST"}
				var rep Reply
				if err := tr.Do(&req, &rep, nil); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, 10)
				if n, _ := rep.Body.Read(got); string(got[:n]) != "ok" {
					t.Fatalf("%s: got %q", name, got[:n])
				}
				rep.Body.Close()
				c := tr.idle.take()
				at = append(at, c.sock.io.talk.stage)
				c.sock.io.talk.stage = probing
				tr.idle.put(c, tr.cfg.MaxIdle)
			}
			want := []stage{answered, answered, answered}
			if overTLS {
				want[0] = probing // tickets may come with the first answer
			}
			if overTLS && size > maxJoined {
				want = []stage{probing, probing, probing}
			}
			for i := range at {
				if at[i] != want[i] {
					t.Errorf("%s: request %d ended in stage %d, want %d", name, i, at[i], want[i])
				}
			}
			if s := tr.Stats(); s.Dials != 1 {
				t.Errorf("%s: %d connections, want one", name, s.Dials)
			}
		}
	})
}

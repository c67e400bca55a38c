package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A fault is what an upstream does to one request, which comes on a connection
// that has served another one before: the case in which a proxy is tempted to
// send it again.
type fault struct {
	take  int    // bytes of the request that are read, -1 for all of it
	reply string // what is answered then
	how   ending

	begun, whole atomic.Int32 // how often a first byte, and all of it, was read
}

// ending is how a connection is given up.
type ending int

const (
	byFIN   ending = iota // our half only; what else comes is thrown away
	byClose               // a reset if anything is unread, else a FIN
	byRST
)

func (e ending) String() string { return [...]string{"fin", "close", "rst"}[e] }

func (e ending) end(c net.Conn) {
	switch e {
	case byFIN:
		rawConn(c).(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, rawConn(c))
	case byClose:
		rawConn(c).Close()
	case byRST:
		reset(c)
	}
}

const faultReply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"

// faulty is an upstream that answers "/a", and does the planned fault to what
// comes next on that connection.
type faulty struct{ plan, last atomic.Pointer[fault] }

func (y *faulty) serve(c net.Conn, br *bufio.Reader) {
	for {
		req, _, err := readRequest(br)
		if err != nil {
			return
		}
		if req.URL.Path != "/a" {
			// On a connection of its own: it was sent again, or the idle one was
			// found dead.
			f := y.last.Load()
			f.begun.Add(1)
			f.whole.Add(1)
		}
		f := y.plan.Swap(nil)
		io.WriteString(c, faultReply)
		if f == nil {
			continue
		}
		if !f.read(c) {
			return
		}
		io.WriteString(c, f.reply)
		f.how.end(c)
		return
	}
}

func (f *fault) read(c net.Conn) bool {
	if f.take >= 0 {
		n, err := io.ReadFull(c, make([]byte, f.take))
		f.begun.Add(int32(min(n, 1)))
		return err == nil
	}
	_, _, err := readRequest(bufio.NewReader(c))
	f.begun.Add(1)
	if err == nil {
		f.whole.Add(1)
	}
	return err == nil
}

// outcome is what the client got for the request with the fault.
type outcome struct {
	status int
	body   string
	err    error // the transfer broke
}

func (o outcome) String() string { return fmt.Sprintf("%d %q %v", o.status, o.body, o.err) }

// runFaults does each fault to a request, on several rigs at once. check is
// called from several goroutines.
func runFaults(t *testing.T, overTLS bool, faults []*fault, request string, check func(*fault, outcome)) {
	var all sync.WaitGroup
	next := make(chan *fault)
	for range 2 * runtime.GOMAXPROCS(0) {
		y := new(faulty)
		u := newUpstream(t, overTLS, y.serve)
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		all.Go(func() {
			for f := range next {
				y.last.Store(f)
				y.plan.Store(f)
				if got := roundTripOnce(g.addr, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"); got.status != 200 || got.body != "first" || got.err != nil {
					t.Errorf("the request before the fault, which follows another fault: got %v, want 200 first", got)
					continue
				}
				check(f, roundTripOnce(g.addr, request))
			}
		})
	}
	for _, f := range faults {
		next <- f
	}
	close(next)
	all.Wait()
}

// roundTripOnce sends a request on a connection of its own.
func roundTripOnce(addr, request string) (o outcome) {
	c, err := tryDial(addr)
	if err != nil {
		return outcome{err: err}
	}
	defer c.Close()
	io.WriteString(c, request)
	o.status, o.body, o.err = c.tryReply("POST")
	return o
}

// An upstream takes n bytes of a request and is gone, for every n. However it
// went, no byte arrives anywhere else, and the client is told.
func TestRequestIsTakenOnceWhereverTheUpstreamFails(t *testing.T) {
	const head = "POST /b HTTP/1.1\r\nHost: upstream.test\r\n"
	requests := map[string]string{
		"known length": head + "Content-Length: 12\r\n\r\n{\"n\":\"once\"}",
		"chunked":      head + "Transfer-Encoding: chunked\r\n\r\nc\r\n{\"n\":\"once\"}\r\n0\r\n\r\n",
	}
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, request := range requests {
			t.Run(name, func(t *testing.T) {
				var faults []*fault
				// The injected credential makes the outgoing request longer.
				for n := range len(request) + len("Authorization: Bearer injected\r\n") {
					for how := byFIN; how <= byRST; how++ {
						if overTLS && how == byFIN {
							continue // as byClose: TLS has read whole records
						}
						faults = append(faults, &fault{take: n, how: how})
					}
				}
				faults = append(faults, &fault{take: -1, how: byFIN}, &fault{take: -1, how: byRST})
				runFaults(t, overTLS, faults, request, func(f *fault, got outcome) {
					if f.begun.Load() > 1 || f.whole.Load() > 1 {
						t.Errorf("%d bytes taken, then %v: it began %d times", f.take, f.how, f.begun.Load())
					}
					answered := got.status == 200 && got.body == "first" && f.take == 0 && f.whole.Load() == 1
					if !answered && got.status != 502 || got.err != nil {
						t.Errorf("%d bytes taken, then %v: got %v, want 502", f.take, f.how, got)
					}
				})
			})
		}
	})
}

// The same for every byte of a reply: the client has all of it, or knows that
// it has not.
func TestReplyIsWholeOrBrokenWhereverTheUpstreamFails(t *testing.T) {
	const json, sse = `{"id":"x","usage":{"total_tokens":3}}`, "data: {\"a\":1}\n\ndata: [DONE]\n\n"
	replies := map[string]struct{ wire, body string }{
		"json, known length": {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(json), json), json},
		"json, chunked":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + json[:16] + "\r\n15\r\n" + json[16:] + "\r\n0\r\n\r\n", json},
		"sse, chunked":       {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n" + sse[:15] + "\r\ne\r\n" + sse[15:] + "\r\n0\r\nX-T: y\r\n\r\n", sse},
		"sse, until close":   {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + sse, sse},
	}
	const request = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nonce"
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, r := range replies {
			t.Run(name, func(t *testing.T) {
				var faults []*fault
				for n := range len(r.wire) + 1 {
					faults = append(faults, &fault{take: -1, reply: r.wire[:n], how: byFIN}, &fault{take: -1, reply: r.wire[:n], how: byRST})
				}
				headEnd := strings.Index(r.wire, "\r\n\r\n") + 4
				runFaults(t, overTLS, faults, request, func(f *fault, got outcome) {
					if f.begun.Load() != 1 || f.whole.Load() != 1 {
						t.Errorf("%d bytes, then %v: the upstream had the request %d times", len(f.reply), f.how, f.begun.Load())
					}
					sent := len(f.reply)
					whole := r.body
					if name == "sse, until close" && f.how == byFIN && !overTLS && sent >= headEnd {
						// The close is the end; nobody can tell (RFC 9112 section 8).
						whole = f.reply[headEnd:]
					}
					switch {
					case got.status == 502 && got.err == nil:
						if f.how == byFIN && sent >= headEnd {
							t.Errorf("%d bytes, then %v: got 502, but the head was whole", sent, f.how)
						}
					case got.status != 200:
						t.Errorf("%d bytes, then %v: got %v", sent, f.how, got)
					case got.err == nil && got.body != whole:
						t.Errorf("%d bytes, then %v: got %q as if it were whole", sent, f.how, got.body)
					case !strings.HasPrefix(r.body, got.body):
						t.Errorf("%d bytes, then %v: got %q, no beginning of the body", sent, f.how, got.body)
					case got.err != nil && f.how == byFIN && sent == len(r.wire) && name != "sse, until close":
						t.Errorf("all %d bytes, then %v: got %v, want a whole reply", sent, f.how, got.err)
					}
				})
			})
		}
	})
}

// tryReply reads one whole reply without ending the test, so that any goroutine
// may call it.
func (c *client) tryReply(method string) (status int, body string, err error) {
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func tryDial(addr string) (*client, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(patience))
	return &client{c, bufio.NewReader(c)}, nil
}

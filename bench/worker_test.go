package bench

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// oneExchange sends a request of 2 KB and returns the error kind under which it
// was counted.
func oneExchange(t *testing.T, w *worker) string {
	t.Helper()
	q := newRequest(w.link.endpoint, "POST", w.link.endpoint.path, nil, chatBody(chatBytes, false))
	return exchangeOf(t, w, q)
}

func exchangeOf(t *testing.T, w *worker, q *request) string {
	t.Helper()
	before := len(w.shard.count.errors)
	w.exchange(step{request: q}, due{planned: now()}, false)
	if w.outcome.kind != "" && w.shard.count.errors[w.outcome.kind] == 0 {
		t.Errorf("the error %q is not counted (%d kinds)", w.outcome.kind, before)
	}
	return w.outcome.kind
}

// say answers each request of a connection with the same bytes.
func say(reply string) func(net.Conn) {
	return func(c net.Conn) {
		for readRequest(c) == nil {
			if _, err := io.WriteString(c, reply); err != nil {
				return
			}
		}
	}
}

func TestErrorsHaveKinds(t *testing.T) {
	f := func(want string, serve func(net.Conn)) {
		t.Helper()
		w := testWorker(t, rawServer(t, serve), 10*time.Second)
		if got := oneExchange(t, w); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if w.failure != nil && w.link.conn != nil {
			t.Errorf("after %v the connection is kept", w.failure)
		}
	}
	const head = "HTTP/1.1 200 OK\r\n"
	once := func(reply string) func(net.Conn) {
		return func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, reply)
		}
	}
	f("", once(head+"Content-Length: 2\r\n\r\nok"))
	f("reset", once(""))          // closed instead of an answer
	f("reset", func(c net.Conn) { // a reset for an answer
		readRequest(c)
		c.(*net.TCPConn).SetLinger(0)
	})
	f("reset", func(c net.Conn) { // a reset within the answer
		readRequest(c)
		io.WriteString(c, head+"Content-Length: 100\r\n\r\nhalf")
		c.(*net.TCPConn).SetLinger(0)
	})
	f("cut", once(head+"Content-Length: 10\r\n\r\nhalf"))
	f("cut", once(head+"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"))
	f("cut", once(head+"Content-Le"))
	f("malformed", once("no HTTP at all\r\n\r\n"))
	f("malformed", once(head+"Content-Length: 2\r\n\r\nok, and more"))
	f("status 503", once("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"))
	f("status 302", once("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"))
	f("error event", once(head+"Content-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: {\"error\":{\"message\":\"x\"}}\n\n"))
}

func TestTimeoutIsAKind(t *testing.T) {
	f := func(reply string) {
		t.Helper()
		url := rawServer(t, func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, reply)
			io.Copy(io.Discard, c) // until the client goes away
		})
		w := testWorker(t, url, 50*time.Millisecond)
		kind := watched(t, w, func() string { return oneExchange(t, w) })
		if kind != "timeout" || w.link.conn != nil {
			t.Errorf("after %q: got %q, kept the connection %v, want timeout and a closed one", reply, kind, w.link.conn != nil)
		}
	}
	f("")
	f("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	f("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n")
}

// watched runs f while somebody looks at the worker's patience.
func watched(t *testing.T, w *worker, f func() string) string {
	t.Helper()
	done := make(chan string)
	go func() { done <- f() }() // ends with f
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case kind := <-done:
			return kind
		case <-tick.C:
			w.link.watch(now())
		}
	}
}

// A stream that goes on is no timeout, however long it takes.
func TestTimeoutIsTheSilenceNotTheWhole(t *testing.T) {
	const events = 20
	url := rawServer(t, func(c net.Conn) {
		readRequest(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range events {
			time.Sleep(30 * time.Millisecond)
			io.WriteString(c, asChunk("data: x\n\n"))
		}
		io.WriteString(c, "0\r\n\r\n")
	})
	w := testWorker(t, url, 300*time.Millisecond)
	if kind := watched(t, w, func() string { return oneExchange(t, w) }); kind != "" || w.shard.count.events != events {
		t.Errorf("got error %q and %d events, want none and %d", kind, w.shard.count.events, events)
	}
	if w.outcome.latency < w.link.timeout {
		t.Fatalf("the stream took %v only, so this proves nothing", w.outcome.latency)
	}
}

func TestDialIsAKind(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if kind := oneExchange(t, testWorker(t, "http://"+l.Addr().String(), time.Second)); kind != "dial" {
		t.Errorf("where nobody listens: got %q, want dial", kind)
	}
	a, err := NewAuthority("")
	if err != nil {
		t.Fatal(err)
	}
	u := testUpstream(t, UpstreamConfig{TLS: a.TLS})
	w := testWorker(t, u.URL(), time.Second)
	if kind := oneExchange(t, w); kind != "dial" {
		t.Errorf("a certificate of an unknown authority: got %q, want dial", kind)
	}
	w.link.tls.RootCAs = trusting(t, a)
	if kind := oneExchange(t, w); kind != "" {
		t.Errorf("a certificate of a known authority: got %q (%v), want none", kind, w.failure)
	}
}

// A refusal that comes while a large body is still being sent is not lost, and
// no other request follows on that connection.
func TestEarlyRefusalIsSeen(t *testing.T) {
	f := func(what string, afterwards func(*net.TCPConn)) {
		t.Helper()
		url := rawServer(t, func(c net.Conn) {
			io.ReadFull(c, make([]byte, 100))
			io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			afterwards(c.(*net.TCPConn))
		})
		w := testWorker(t, url, 10*time.Second)
		q := newRequest(w.link.endpoint, "POST", "/", nil, imageBody(4*imageBytes))
		if kind := exchangeOf(t, w, q); kind != "status 413" {
			t.Errorf("%s: got %q (%v), want status 413", what, kind, w.failure)
		}
		if what == "reset" && w.link.conn != nil {
			t.Errorf("%s: the connection is kept, in the middle of a request", what)
		}
	}
	f("drained", func(c *net.TCPConn) { c.CloseWrite(); io.Copy(io.Discard, c) })
	if runtime.GOOS == "linux" { // elsewhere a reset may take the reply with it
		f("reset", func(*net.TCPConn) {}) // closed with bytes unread
	}
}

func TestConnectionIsKeptWhileItMay(t *testing.T) {
	opened := make(chan struct{}, 100)
	f := func(what, reply string, want int) {
		t.Helper()
		url := rawServer(t, func(c net.Conn) { opened <- struct{}{}; say(reply)(c) })
		w := testWorker(t, url, 10*time.Second)
		for i := range 5 {
			if kind := oneExchange(t, w); kind != "" {
				t.Fatalf("%s: request %d: %q (%v)", what, i, kind, w.failure)
			}
		}
		if got := len(opened); got != want {
			t.Errorf("%s: %d connections for 5 requests, want %d", what, got, want)
		}
		for len(opened) > 0 {
			<-opened
		}
	}
	f("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1)
	f("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1)
	f("a close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 5)
	f("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 5)
}

// The standard library reads what is sent.
func TestRequestIsWhatServersRead(t *testing.T) {
	got := make(chan string, 1)
	url := webServer(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %s host %s team %q type %q length %d body %d err %v", r.Method, r.URL.RequestURI(), r.Host,
			r.Header.Get("X-Team"), r.Header.Get("Content-Type"), r.ContentLength, len(body), err)
	})
	w := testWorker(t, url+"/base/v1", 10*time.Second)
	p := testPlan(url)
	p.Header = []string{"X-Team: a"}
	if kind := exchangeOf(t, w, p.scenario(ScenarioLong, w.link.endpoint).steps[0].request); kind != "" {
		t.Fatalf("%q (%v)", kind, w.failure)
	}
	want := fmt.Sprintf("POST /base/v1/chat/completions host %s team \"a\" type \"application/json\" length 102400 body 102400 err <nil>", w.link.endpoint.host)
	if g := <-got; g != want {
		t.Errorf("got  %s\nwant %s", g, want)
	}
}

// What a request had to wait for a connection is the target's doing, not the
// driver's; the latency has it all the same.
func TestLateIsTheDriversOwn(t *testing.T) {
	w := testWorker(t, rawServer(t, say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")), 10*time.Second)
	st := step{request: newRequest(w.link.endpoint, "POST", "/", nil, nil)}
	f := func(planned, freed, late time.Duration) {
		t.Helper()
		w.freed = now() - freed
		w.exchange(st, due{planned: now() - planned}, true)
		if o := w.outcome; o.late < late || o.late > late+30*time.Minute || o.latency < planned {
			t.Errorf("planned %v ago, free %v ago: late %v and latency %v, want %v and %v", planned, freed, o.late, o.latency, late, planned)
		}
	}
	f(3*time.Hour, time.Hour, time.Hour)
	f(time.Hour, 3*time.Hour, time.Hour)
	f(time.Hour, 0, 0)
}

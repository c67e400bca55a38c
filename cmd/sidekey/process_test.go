package main

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const manyStreams = 200

// tlsStreamGateway is streamGateway over TLS, with a file of its authority. On a
// busy machine, with the race detector, 200 handshakes at once take more than
// the usual 5 s.
func tlsStreamGateway(t *testing.T) (lines string, release chan struct{}) {
	plain, release := streamGateway(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		out, err := http.NewRequestWithContext(req.Context(), req.Method, plain+req.URL.Path, req.Body)
		if err != nil {
			return
		}
		rep, err := http.DefaultClient.Do(out)
		if err != nil {
			return
		}
		defer rep.Body.Close()
		w.Header().Set("Content-Type", "text/event-stream")
		buf := make([]byte, 1<<10)
		for {
			n, err := rep.Body.Read(buf)
			w.Write(buf[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	ca := writeFile(t, filepath.Join(t.TempDir(), "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return "gateway: {url: '" + s.URL + "', key: env:KEY, ca_file: " + ca + "}\ntimeouts: {dial: 1m}\n", release
}

// SIGTERM with 200 live streams: not ready at once, no new connections after
// drain_delay, every stream to its end, exit status 0.
func TestTerminatedProcessLetsEveryStreamFinish(t *testing.T) {
	gateway, release := tlsStreamGateway(t)
	p := launch(t, gateway+"limits: {drain: 1m, drain_delay: 700ms}\n")
	whole, broken, wait := p.streams(manyStreams)
	if !p.ready() {
		t.Error("not ready before the signal")
	}
	sent := p.term()
	eventually(t, "readiness fails", func() bool { return !p.ready() })
	if p.refuses().Sub(sent) < 700*time.Millisecond {
		t.Error("new connections were refused before drain_delay was over")
	}
	if len(p.status) > 0 || whole.Load()+broken.Load() > 0 {
		t.Fatal("the process did not wait for its streams")
	}
	close(release)
	wait()
	if whole.Load() != manyStreams || broken.Load() != 0 {
		t.Errorf("%d streams whole, %d broken off; want all %d whole", whole.Load(), broken.Load(), manyStreams)
	}
	if status := p.ended(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	if log := p.logs.String(); !strings.Contains(log, `"message":"stopped"`) || strings.Contains(log, "broken off") {
		t.Error("the log does not say that it stopped with nothing broken off")
	}
}

// What is left when the drain time is over, or at the second signal, is broken
// off and counted, and the exit status is 0 all the same.
func TestTerminatedProcessBreaksOffWhatIsLeft(t *testing.T) {
	for _, second := range []bool{false, true} {
		url, _ := streamGateway(t)
		drain := "200ms"
		if second {
			drain = "1h"
		}
		p := launch(t, gatewayLine(url)+"limits: {drain: "+drain+"}\n")
		whole, broken, wait := p.streams(manyStreams)
		p.term()
		if second {
			p.refuses()
			p.term()
		}
		wait()
		if whole.Load() != 0 || broken.Load() != manyStreams {
			t.Errorf("second signal %v: %d streams ended as if whole, %d broken off; want all %d broken off", second, whole.Load(), broken.Load(), manyStreams)
		}
		if status := p.ended(); status != 0 {
			t.Errorf("second signal %v: exit status %d, want 0", second, status)
		}
		log := p.logs.String()
		if !strings.Contains(log, "200 requests were broken off") {
			t.Errorf("second signal %v: the log does not count them", second)
		}
		if got := strings.Contains(log, "second signal, ending at once"); got != second {
			t.Errorf("second signal noticed: %v, want %v", got, second)
		}
		if n := strings.Count(log, `"message":"request"`); n != manyStreams {
			t.Errorf("second signal %v: %d access lines, want %d", second, n, manyStreams)
		}
	}
}

// An idle process with warm connections ends without delay.
func TestTerminatedProcessIsNotHeldByWarmConnections(t *testing.T) {
	var open atomic.Int64
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	s.Start()
	defer s.Close()
	p := launch(t, gatewayLine(s.URL)+"limits: {drain: 1h}\n")
	eventually(t, "two connections are ready, by default", func() bool { return open.Load() == 2 })
	p.term()
	if status := p.ended(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	eventually(t, "they are closed", func() bool { return open.Load() == 0 })
}

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// scrape reads /metrics: series, with their labels, and values.
func (r *running) scrape() map[string]float64 {
	r.t.Helper()
	status, text := call(r.t, "GET", r.admin+"/metrics", "")
	if status != 200 {
		r.t.Fatalf("GET /metrics: got %d", status)
	}
	if strings.Contains(text, "CANARY") {
		r.t.Fatal("/metrics holds a secret")
	}
	series := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			r.t.Fatalf("a value is no number: %v", err)
		}
		series[line[:cut]] = value
	}
	return series
}

// familyOf is the metric that a series belongs to.
func familyOf(series string) string {
	name, _, _ := strings.Cut(series, "{")
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && strings.HasSuffix(base, "_seconds") {
			return base
		}
	}
	return name
}

// A metricsWorld is a sidecar in front of the sandbox gateway, which does what
// the model's name asks for beside its ordinary business.
type metricsWorld struct {
	*running
	box  *sandbox.Gateway
	hold chan struct{} // closed: replies that are held go on

	mu    sync.Mutex
	conns map[net.Conn]http.ConnState
}

const metricsOwnerKey = "sk-proj-CANARY-openai-metrics-1b"

func newMetricsWorld(t *testing.T, more string) *metricsWorld {
	t.Helper()
	w := &metricsWorld{hold: make(chan struct{}), conns: map[net.Conn]http.ConnState{}}
	var err error
	w.box, err = sandbox.NewGateway(sandbox.Config{ProviderKeys: map[string][]string{"openai": {metricsOwnerKey}}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(w.upstream))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.conns[c] = state
	}
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	w.running = prepare(t, withKey)
	w.setKey("demo", "openai", metricsOwnerKey)
	w.setKey("demo", "anthropic", "sk-ant-CANARY-which-no-provider-takes")
	w.start("gateway: {url: '" + s.URL + "', key: env:KEY, warm: 0}\n" + more)
	return w
}

// upstream is the sandbox, unless the model asks for a misfortune.
func (w *metricsWorld) upstream(rw http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	asked := func(what string) bool { return bytes.Contains(body, []byte(`"model":"cohere/`+what)) }
	flush := func() { rw.(http.Flusher).Flush() }
	switch {
	case asked("cut"):
		rw.Header().Set("Content-Length", "100")
		fmt.Fprint(rw, `{"half":`)
		flush()
		panic(http.ErrAbortHandler)
	case asked("hold"):
		rw.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(rw, "data: {}\n\n")
		flush()
		select {
		case <-w.hold:
		case <-req.Context().Done():
		}
	case asked("think"):
		select {
		case <-w.hold:
		case <-req.Context().Done():
		}
	case asked("zip"):
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(rw)
		fmt.Fprint(z, `{"usage":{"prompt_tokens":5}}`)
		z.Close()
	case asked("silent"):
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, `{"choices":[]}`)
	case asked("count"):
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, `{"usage":{"prompt_tokens":100,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":60},"completion_tokens_details":{"reasoning_tokens":7}}}`)
	default:
		req.Body = io.NopCloser(bytes.NewReader(body))
		w.box.ServeHTTP(rw, req)
	}
}

// closeIdle ends the upstream's idle connections, those that it knows to be so.
func (w *metricsWorld) closeIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c, state := range w.conns {
		if state == http.StateIdle {
			c.Close()
		}
	}
}

func (w *metricsWorld) ask(model, more string, headers ...string) (int, string) {
	w.t.Helper()
	return call(w.t, "POST", w.url+"/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]`+more+`}`,
		append([]string{"Content-Type", "application/json"}, headers...)...)
}

// begin sends a request and leaves it open. The caller closes it.
func (w *metricsWorld) begin(body string, announced int) net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", announced, body)
	return conn
}

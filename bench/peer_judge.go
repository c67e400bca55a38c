package bench

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// A judge is the upstream of a check. It answers as the gateway does, and
// remembers what reached it, so that a peer which does another job than the
// others is found out before it is measured.
type judge struct {
	addr   string
	server *http.Server
	served chan struct{} // closed when serve has returned

	mu    sync.Mutex
	seen  []judged
	conns map[string]bool // by the client's address: connections that carried a request

	// arrived gets a value for each head of an upload, before its body is read.
	arrived chan struct{}
	// next lets the next event of a stream out.
	next chan struct{}
}

// judged is a request as it came.
type judged struct {
	authorization []string
	proto         string
	body          []byte
	err           error
}

// Bodies of the check say what is wanted, because a peer may drop headers.
const (
	judgeStream = `"stream":true`
	judgeUpload = `"user":"upload"`
	judgeReply  = `{"id":"gen_judge","object":"chat.completion","created":1700000000,"model":"openai/gpt-5.4-mini","choices":[{"index":0,"message":{"role":"assistant","content":"judged",` + judgePaid + `},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`
	judgeChunk  = `{"id":"gen_judge","object":"chat.completion.chunk","created":1700000000,"model":"openai/gpt-5.4-mini","choices":[{"index":0,"delta":{"content":"event %d."%s},"finish_reason":%s}]}`
	// judgePaid says that the owner paid, or sidekey's guard would step in.
	judgePaid = `"provider_metadata":{"gateway":{"routing":{"originalModelId":"openai/gpt-5.4-mini","resolvedProvider":"openai","finalProvider":"openai","modelAttempts":[{"modelId":"openai/gpt-5.4-mini","success":true,"providerAttempts":[{"provider":"openai","credentialType":"byok","success":true,"statusCode":200}]}]}}}`
)

// judgeEvents is how many events a stream of the check has.
const judgeEvents = 4

// startJudge serves on a free port of loopback. secure is nil for plaintext.
func startJudge(secure *tls.Config) (*judge, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	j := &judge{
		addr: ln.Addr().String(), served: make(chan struct{}), conns: map[string]bool{},
		arrived: make(chan struct{}, 1), next: make(chan struct{}),
	}
	j.server = &http.Server{Handler: j, ErrorLog: log.New(io.Discard, "", 0)}
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	go func() { // ends with close
		defer close(j.served)
		_ = j.server.Serve(ln)
	}()
	return j, nil
}

func (j *judge) close() {
	_ = j.server.Close()
	<-j.served
}

func (j *judge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := make([]byte, 64<<10) // enough to see what is wanted
	n, err := io.ReadFull(r.Body, head)
	head = head[:n]
	upload := strings.Contains(string(head), judgeUpload)
	if upload {
		select {
		case j.arrived <- struct{}{}:
		default:
		}
	}
	rest, errRest := io.ReadAll(r.Body)
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // the latter also of a body that ends within head
		err = errRest
	}
	j.mu.Lock()
	j.conns[r.RemoteAddr] = true
	j.seen = append(j.seen, judged{slices.Clone(r.Header["Authorization"]), r.Proto, append(head, rest...), err})
	j.mu.Unlock()
	if strings.Contains(string(head), judgeStream) {
		j.stream(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, judgeReply)
}

// stream sends each event only when it is told to.
func (j *judge) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	flush := http.NewResponseController(w)
	for i := range judgeEvents {
		select {
		case <-j.next:
		case <-r.Context().Done():
			return
		}
		paid, end := "", "null"
		if i == judgeEvents-1 {
			paid, end = ","+judgePaid, `"stop"`
		}
		fmt.Fprintf(w, "data: "+judgeChunk+"\n\n", i, paid, end)
		_ = flush.Flush()
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

// take returns what was seen since the last call, and on how many connections.
func (j *judge) take() (seen []judged, connections int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen, connections = j.seen, len(j.conns)
	j.seen, j.conns = nil, map[string]bool{}
	return seen, connections
}

// judgeBody is a request's body of about so many bytes.
func judgeBody(size int, extra string) string {
	filler, _ := json.Marshal(strings.Repeat("What does a proxy cost? ", size/24))
	return `{"model":"openai/gpt-5.4-mini",` + extra + `"messages":[{"role":"user","content":` + string(filler) + `}]}`
}

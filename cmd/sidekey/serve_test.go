package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
)

func gatewayLine(url string) string { return "gateway: {url: '" + url + "', key: env:KEY}\n" }

var withKey = testEnv{"KEY": canary}

func (r *running) answers(want string) {
	r.t.Helper()
	if status, got := r.chat(); status != 200 || got != want {
		r.t.Fatalf("got %d %q, want 200 %q", status, got, want)
	}
}

func TestServeUsesWhatIsInTheStore(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a")), withKey)
	r.answers("a owner=false")
	// Another process stores a key; the absence of one was cached.
	r.setKey("demo", "openai", ownerKey)
	eventually(t, "the stored key is used", func() bool { _, got := r.chat(); return got == "a owner=true" })
	r.owner(func(o *credstore.Owner) error { return o.SetBYOK(t.Context(), "demo", false, "") })
	eventually(t, "byok is off", func() bool { _, got := r.chat(); return got == "a owner=false" })
}

func TestServeReloadsOnFileSignalAndRequest(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a")), withKey)
	r.answers("a owner=false")
	r.write(gatewayLine(gateway(t, "b")))
	eventually(t, "b by file", func() bool { _, got := r.chat(); return got == "b owner=false" })

	quiet := serve(t, gatewayLine(gateway(t, "a")), withKey, func(a *app) { a.settle = time.Hour })
	quiet.write(gatewayLine(gateway(t, "c")))
	quiet.answers("a owner=false") // nobody told it
	quiet.signal(syscall.SIGHUP)
	eventually(t, "c by SIGHUP", func() bool { _, got := quiet.chat(); return got == "c owner=false" })
	quiet.write(gatewayLine(gateway(t, "d")))
	status, reply := call(t, "POST", quiet.admin+"/-/reload", "")
	if status != 200 || !strings.Contains(reply, `"changed":["gateway.url"]`) {
		t.Errorf("got %d %s, want 200 and gateway.url changed", status, reply)
	}
	quiet.answers("d owner=false")
}

func TestBadFileKeepsServingAndIsReported(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a")), withKey, func(a *app) { a.settle = time.Hour })
	r.write(gatewayLine(gateway(t, "b")) + "cache: {ttl: 5}\nlog: {level: loud}\n")
	status, reply := call(t, "POST", r.admin+"/-/reload", "")
	if status != 422 || !strings.Contains(reply, "has no unit") {
		t.Errorf("got %d %s, want 422 with every problem", status, reply)
	}
	r.answers("a owner=false")
	if status, reply := call(t, "GET", r.admin+"/readyz", ""); status != 200 || !strings.Contains(reply, `"result":"rejected"`) {
		t.Errorf("readyz: got %d %s, want 200 with the rejection", status, reply)
	}
	r.write("listen: 127.0.0.1:9\n" + gatewayLine(gateway(t, "b")))
	if status, reply := call(t, "POST", r.admin+"/-/reload", ""); status != 422 {
		t.Errorf("got %d %s, want 422", status, reply)
	}
}

func TestReloadCanChangeCacheAndLog(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a")), withKey)
	r.setKey("demo", "openai", ownerKey)
	eventually(t, "the key is used", func() bool { _, got := r.chat(); return got == "a owner=true" })
	r.write(strings.Replace(gatewayLine(gateway(t, "b")), "\n", "\ncache: {ttl: 1m}\n", 1))
	eventually(t, "b", func() bool { _, got := r.chat(); return got == "b owner=true" })
}

func TestAdminRefusesBrowsersOfOtherSites(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a")), withKey)
	f := func(want int, method, path string, headers ...string) {
		t.Helper()
		if got, _ := call(t, method, r.admin+path, "", headers...); got != want {
			t.Errorf("%s %s %v: got %d, want %d", method, path, headers, got, want)
		}
	}
	f(200, "GET", "/healthz")
	f(200, "GET", "/readyz")
	f(200, "POST", "/-/reload")
	f(200, "POST", "/-/invalidate")
	f(200, "POST", "/-/invalidate?chatbot=demo")
	f(200, "POST", "/-/reload", "Host", "localhost:8788")
	f(400, "POST", "/-/invalidate?chatbot=no%20id")
	f(400, "POST", "/-/invalidate?chatbot=")
	f(405, "GET", "/-/reload")
	f(405, "GET", "/-/invalidate")
	f(403, "POST", "/-/reload", "Origin", "https://evil.example")
	f(403, "POST", "/-/invalidate", "Sec-Fetch-Site", "cross-site")
	f(403, "POST", "/-/reload", "Host", "evil.example")
	f(403, "GET", "/readyz", "Host", "evil.example:80")
	f(404, "GET", "/v1/models")
}

func TestInvalidateReadsTheStoreAnew(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a")), withKey)
	r.setKey("demo", "openai", ownerKey)
	eventually(t, "the key is used", func() bool {
		call(t, "POST", r.admin+"/-/invalidate?chatbot=demo", "")
		_, got := r.chat()
		return got == "a owner=true"
	})
	r.logged("forgot the keys of a chatbot")
}

// A streamGateway sends one event and then waits to be released.
func streamGateway(t *testing.T) (url string, release chan struct{}) {
	release = make(chan struct{})
	url = testServer(t, func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: one\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-release:
			io.WriteString(w, "data: [DONE]\n\n")
		case <-req.Context().Done():
		}
	})
	return url, release
}

// stream begins a stream and reads its first event.
func (r *running) stream() io.ReadCloser {
	r.t.Helper()
	rep, err := http.Post(r.url+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"openai/gpt-5","stream":true}`))
	if err != nil {
		r.t.Fatal(err)
	}
	first := make([]byte, len("data: one\n\n"))
	if _, err := io.ReadFull(rep.Body, first); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { rep.Body.Close() })
	return rep.Body
}

func (r *running) draining() bool {
	status, _ := call(r.t, "GET", r.admin+"/readyz", "")
	return status == 503
}

func TestShutdownLetsStreamsFinish(t *testing.T) {
	url, release := streamGateway(t)
	r := serve(t, gatewayLine(url), withKey)
	body := r.stream()
	r.signal(syscall.SIGTERM)
	eventually(t, "readiness fails", r.draining)
	eventually(t, "no new connection is accepted", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if len(r.status) > 0 {
		t.Fatal("the program ended with a stream in flight")
	}
	close(release)
	rest, err := io.ReadAll(body)
	if err != nil || string(rest) != "data: [DONE]\n\n" {
		t.Errorf("got %q, %v, want the end of the stream", rest, err)
	}
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestDrainDelayStillServesWhileNotReady(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a"))+"limits: {drain_delay: 1h}\n", withKey)
	r.signal(syscall.SIGTERM)
	eventually(t, "readiness fails", r.draining)
	r.answers("a owner=false")
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestStreamsPastTheDrainTimeAreBrokenOffAndCounted(t *testing.T) {
	url, _ := streamGateway(t)
	r := serve(t, gatewayLine(url)+"limits: {drain: 50ms}\n", withKey)
	body := r.stream()
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	if _, err := io.ReadAll(body); err == nil {
		t.Error("a stream that was broken off ended as if it were complete")
	}
	if !strings.Contains(r.logs.String(), "1 requests were broken off") {
		t.Error("the log does not count the stream that was broken off")
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	url, _ := streamGateway(t)
	r := serve(t, gatewayLine(url)+"limits: {drain: 1h}\n", withKey)
	r.stream()
	r.signal(os.Interrupt)
	eventually(t, "readiness fails", r.draining)
	r.signal(os.Interrupt)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Chdir(t.TempDir())
	file := configFile(t, "listen: "+ln.Addr().String()+"\nadmin: {listen: 127.0.0.1:0}\n")
	status, _, stderr := runWith(t, testEnv{}, "", "serve", "--config", file)
	if status != 1 || !strings.Contains(stderr, "listen: ") {
		t.Errorf("got %d %q, want 1 and the key listen", status, stderr)
	}
}

// A volume that was not mounted must not look like a store without keys.
func TestNamedStoreThatIsMissingIsAnError(t *testing.T) {
	file := configFile(t, "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nstore: {local: {dir: /nonexistent/volume}}\n")
	status, _, stderr := runWith(t, testEnv{}, "", "serve", "--config", file)
	if status != 1 || !strings.Contains(stderr, "/nonexistent/volume does not exist") {
		t.Errorf("got %d %q, want 1: does not exist", status, stderr)
	}
}

func TestReadyzTellsTheLastReload(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a")), withKey)
	_, reply := call(t, "GET", r.admin+"/readyz", "")
	var got struct {
		Ready  bool
		Store  string
		Config Outcome
	}
	if err := json.Unmarshal([]byte(reply), &got); err != nil {
		t.Fatal(err)
	}
	if !got.Ready || got.Store != "ok" || got.Config.Result != applied || got.Config.Cause != "start" {
		t.Errorf("got %+v, want ready, store ok, applied at the start", got)
	}
}

// A store cannot be opened anew under its keys, so a reload with another keyset
// is refused, and says so.
func TestAnotherKeysetNeedsARestart(t *testing.T) {
	r := prepare(t, nil)
	r.setKey("demo", "openai", ownerKey)
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	if err := os.Rename(filepath.Join(r.dir, "keyset.json"), keyset); err != nil {
		t.Fatal(err)
	}
	r.env = testEnv{"KEY": canary, "SIDEKEY_STORE_LOCAL_KEYSET": "file:" + keyset}
	r.start(gatewayLine(gateway(t, "a")), func(a *app) { a.settle = time.Hour })
	r.answers("a owner=true")
	writeFile(t, keyset, "CANARY-another-keyset")
	status, reply := call(t, "POST", r.admin+"/-/reload", "")
	if status != 422 || !strings.Contains(reply, `"path":"store.local.keyset"`) {
		t.Errorf("got %d, want 422 for store.local.keyset", status)
	}
	r.answers("a owner=true")
}

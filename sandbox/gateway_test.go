package sandbox

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestObserverSeesTheRequestAsItArrived(t *testing.T) {
	var seen []Seen
	g := newTestGateway(t, func(c *Config) { c.Observe = func(s Seen) { seen = append(seen, s) } })
	body := chatBody("gpt-x", "") + "  "
	post(t, g, "/v1/chat/completions?a=%2F", body, "X-Odd", "v")
	if len(seen) != 1 {
		t.Fatalf("got %d requests, want 1", len(seen))
	}
	s := seen[0]
	if s.Seq != 1 || s.Method != "POST" || s.Target != "/v1/chat/completions?a=%2F" || !bytes.Equal(s.Body, []byte(body)) ||
		s.Header.Get("X-Odd") != "v" || s.Err != nil {
		t.Errorf("the observer got another request than was sent: %s %s", s.Method, s.Target)
	}
}

func TestObserverSeesAnUploadThatWasCutShort(t *testing.T) {
	seen := make(chan Seen, 1)
	g := newTestGateway(t, func(c *Config) { c.Observe = func(s Seen) { seen <- s } })
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", io.MultiReader(strings.NewReader("{"), broken{}))
	w := serve(g, r)
	if s := <-seen; s.Err == nil || string(s.Body) != "{" || w.Code != 400 {
		t.Errorf("got %d, error %v, want 400, what came, and why it ended", w.Code, s.Err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestControlPathsShowAndForgetTheLedger(t *testing.T) {
	g := newTestGateway(t, nil)
	chat(t, g, "gpt-x", "")
	get := func(method, path string) *httptest.ResponseRecorder {
		return serve(g, httptest.NewRequest(method, path, nil))
	}
	if w := get(http.MethodGet, "/sandbox/ledger"); w.Code != 200 || !strings.Contains(w.Body.String(), `"credential":"system"`) {
		t.Errorf("ledger: got %d, want the entry", w.Code)
	}
	if w := get(http.MethodDelete, "/sandbox/ledger"); w.Code != 204 || len(g.Ledger()) != 0 {
		t.Errorf("delete: got %d, want 204 and an empty ledger", w.Code)
	}
	if w := get(http.MethodGet, "/sandbox/ledger"); strings.TrimSpace(w.Body.String()) != "[]" {
		t.Error("an empty ledger must be an empty array")
	}
	if w := get(http.MethodGet, "/sandbox/health"); w.Code != 200 {
		t.Errorf("health: got %d, want 200", w.Code)
	}
	if w := get(http.MethodGet, "/sandbox/other"); w.Code != 404 {
		t.Errorf("other: got %d, want 404", w.Code)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	var l ledger
	for i := range maxEntries + 10 {
		l.add(Entry{Seq: i})
	}
	all := l.all()
	if len(all) > maxEntries || all[len(all)-1].Seq != maxEntries+9 {
		t.Errorf("got %d entries ending with %d, want at most %d ending with the newest", len(all), all[len(all)-1].Seq, maxEntries)
	}
}

func TestRotationAndCallsRunConcurrently(t *testing.T) {
	g := newTestGateway(t, nil)
	var wg sync.WaitGroup
	const callers, each = 8, 25
	for range callers {
		wg.Go(func() {
			for range each {
				r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(chatBody("gpt-x", byokOf("openai", goodOpenAI))))
				r.Header.Set("Authorization", "Bearer "+gatewayKey)
				if w := serve(g, r); w.Code != 200 {
					t.Errorf("got %d, want 200", w.Code)
				}
			}
		})
	}
	wg.Go(func() {
		for range each {
			g.SetKeys(map[string][]string{"openai": {"x", goodOpenAI}}, nil)
			g.Ledger()
			g.SetKeys(map[string][]string{"openai": {goodOpenAI}}, nil)
		}
	})
	wg.Wait()
	l := g.Ledger()
	if len(l) != callers*each {
		t.Fatalf("got %d entries, want %d", len(l), callers*each)
	}
	for _, e := range l {
		if e.Credential != BYOK {
			t.Fatalf("got %s, want byok before, during and after each rotation", e.Credential)
		}
	}
}

func TestStartTLSServesHTTP1(t *testing.T) {
	donor := httptest.NewTLSServer(nil) // for its certificate
	defer donor.Close()
	g := newTestGateway(t, nil)
	if _, err := g.StartTLS("127.0.0.1:0", nil); err == nil {
		t.Error("without a certificate: got no error")
	}
	s, err := g.StartTLS("127.0.0.1:0", &tls.Config{Certificates: donor.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	resp, err := donor.Client().Get(s.URL() + "/sandbox/health")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.ProtoMajor != 1 {
		t.Errorf("got %d over %s, want 200 over HTTP/1.1", resp.StatusCode, resp.Proto)
	}
}

func TestClientThatLeavesAHangingAttemptIsInTheLedger(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.KeyFailures = map[string]int{badKey: 0} })
	s, err := g.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := &http.Client{Timeout: 50 * time.Millisecond}
	r, _ := http.NewRequest(http.MethodPost, s.URL()+"/v1/chat/completions", strings.NewReader(chatBody("gpt-x", byokOf("openai", badKey))))
	r.Header.Set("Authorization", "Bearer "+gatewayKey)
	if _, err := client.Do(r); err == nil {
		t.Fatal("got a reply, want a time-out")
	}
	for deadline := time.Now().Add(5 * time.Second); len(g.Ledger()) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if e := last(t, g); e.Status != statusClientLeft || e.Credential != None {
		t.Errorf("got %d %s, want %d none", e.Status, e.Credential, statusClientLeft)
	}
}

func TestDemoConfigWorksWithItsOwnKeys(t *testing.T) {
	c := DemoConfig()
	c.Latency, c.TokenInterval = 0, 0
	g, err := NewGateway(c)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		DemoOpenAIKey: "openai:byok:200", DemoOpenAIKey2: "openai:byok:200",
		DemoRevokedKey: "openai:byok:401 openai:system:200", DemoQuotaKey: "openai:byok:429 openai:system:200",
	} {
		post(t, g, "/v1/chat/completions", chatBody("gpt-x", byokOf("openai", key)), "Authorization", "Bearer "+DemoGatewayKey)
		if got := tries(last(t, g)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

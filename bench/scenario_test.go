package bench

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Each scenario, for real, against the built-in upstream.
func TestEachScenarioRuns(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	f := func(name string, leastBody, mostBody int64, events bool) {
		t.Helper()
		p := testPlan(u.URL(), name)
		r := onlyRound(t, p)
		if r.Requests == 0 || len(r.Errors) > 0 {
			t.Fatalf("%s: %d requests, errors %v; want some, and none", name, r.Requests, r.Errors)
		}
		if r.Latency.Count() != r.Requests || r.Latency.Quantile(0.5) <= 0 {
			t.Errorf("%s: %d latencies of %d requests, median %v", name, r.Latency.Count(), r.Requests, r.Latency.Quantile(0.5))
		}
		if each := r.BytesOut / (r.Requests + r.Left); each < leastBody || each > mostBody {
			t.Errorf("%s: %d bytes sent per request, want %d to %d", name, each, leastBody, mostBody)
		}
		if each := r.BytesIn / (r.Requests + r.Left); each < 500 {
			t.Errorf("%s: %d bytes read per request, want more than 500", name, each)
		}
		if got := r.Events > 0; got != events {
			t.Errorf("%s: %d events, want some: %v", name, r.Events, events)
		}
		if r.First.Count() == 0 || r.Gap.Count() == 0 && events && name != ScenarioChurn {
			t.Errorf("%s: %d first bytes, %d gaps", name, r.First.Count(), r.Gap.Count())
		}
		if got := r.Left > 0; got != (name == ScenarioChurn) {
			t.Errorf("%s: %d left", name, r.Left)
		}
	}
	f(ScenarioChat, 2048, 2048, false)
	f(ScenarioLong, 102400, 102400, false)
	f(ScenarioImage, 5<<20-3, 5<<20, false)
	f(ScenarioStream, 2048, 2048, true)
	f(ScenarioMixed, 2048, 200_000, true)
	f(ScenarioChurn, 2048, 2048, true)
	f(ScenarioCold, 2048, 2048, false)
	for _, s := range Scenarios {
		if !slices.Contains([]string{ScenarioChat, ScenarioLong, ScenarioImage, ScenarioStream, ScenarioMixed, ScenarioChurn, ScenarioCold}, s.Name) {
			t.Errorf("scenario %s is not tested here", s.Name)
		}
	}
}

func TestStreamCountsEachEventOfEachStream(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	w := testWorker(t, u.URL(), 1e10)
	p := testPlan(u.URL(), ScenarioStream)
	p.Events, p.EventRate, p.Burst = 12, 500, 3
	for range 3 {
		if kind := exchangeOf(t, w, p.scenario(ScenarioStream, w.link.endpoint).steps[0].request); kind != "" {
			t.Fatalf("%q (%v)", kind, w.failure)
		}
	}
	c := &w.shard.count
	if c.events != 36 || c.gap.Count() != 33 || c.first.Count() != 3 || c.requests != 3 {
		t.Errorf("got %d events, %d gaps, %d first, %d requests; want 36, 33 between them, 3, 3", c.events, c.gap.Count(), c.first.Count(), c.requests)
	}
	if n := w.opened.Load(); n != 0 {
		t.Errorf("%d streams are open after their end", n)
	}
}

func TestBodiesAreWhatSDKsSend(t *testing.T) {
	f := func(body []byte, size int, stream bool) {
		t.Helper()
		var doc struct {
			Model    string
			Stream   bool
			Messages []struct{ Content any }
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Model == "" || !strings.HasPrefix(string(body), `{"model":`) || doc.Stream != stream || len(doc.Messages) == 0 {
			t.Errorf("model %q, stream %v, %d messages in %.60s", doc.Model, doc.Stream, len(doc.Messages), body)
		}
		if len(body) > size || len(body) < size-3 {
			t.Errorf("got %d bytes, want %d", len(body), size)
		}
	}
	f(chatBody(chatBytes, false), 2048, false)
	f(chatBody(chatBytes, true), 2048, true)
	f(chatBody(longBytes, false), 102400, false)
	f(imageBody(imageBytes), 5<<20, false)
}

func TestMixedIsWeighted(t *testing.T) {
	e, _ := parseEndpoint("http://localhost")
	s := testPlan("").scenario(ScenarioMixed, e)
	got := map[string]int{}
	for n := range int64(200) {
		st := s.step(n)
		switch {
		case strings.Contains(string(st.bytes), `"stream":true`):
			got["stream"]++
		case st.bodyLen > 1<<20:
			got["image"]++
		case st.bodyLen > chatBytes:
			got["long"]++
		default:
			got["chat"]++
		}
	}
	want := map[string]int{"chat": 140, "stream": 40, "long": 18, "image": 2}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// No chatbot is named twice, neither in a run nor in two.
func TestColdNamesNewChatbots(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	lengths := map[int64]bool{}
	url := webServer(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Header.Get("X-Tenant")]++
		lengths[r.ContentLength] = true
	})
	var requests int64
	for range 2 {
		p := testPlan(url, ScenarioCold)
		p.ColdHeader, p.Rounds = "X-Tenant", 2
		for _, r := range rounds(t, p) {
			requests += r.Requests
		}
	}
	mu.Lock() // requests that were cut may still be served
	defer mu.Unlock()
	if int64(len(seen)) < requests {
		t.Errorf("%d chatbots for %d requests", len(seen), requests)
	}
	name := regexp.MustCompile(`^bench-[0-9a-f]{8}-[0-9]{12}$`)
	for chatbot, n := range seen {
		if n != 1 || !name.MatchString(chatbot) {
			t.Errorf("chatbot %q is named %d times", chatbot, n)
		}
	}
	if len(lengths) != 1 || !lengths[chatBytes] {
		t.Errorf("bodies have the lengths %v, want %d only", lengths, chatBytes)
	}
}

func TestChurnConnectsForEachRequest(t *testing.T) {
	var mu sync.Mutex
	opened, asked, gone := 0, 0, 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stream := wantsStream(body)
		mu.Lock()
		asked++
		mu.Unlock()
		if stream {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done() // the reply would never end
			mu.Lock()
			gone++
			mu.Unlock()
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			opened++
			mu.Unlock()
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	r := onlyRound(t, testPlan(s.URL, ScenarioChurn))
	eventually(t, "a stream was left, and its server has seen it", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return int64(gone) >= r.Left && r.Left > 0
	})
	mu.Lock()
	defer mu.Unlock()
	if opened < asked {
		t.Errorf("%d connections for %d requests", opened, asked)
	}
	if r.Requests == 0 || len(r.Errors) > 0 {
		t.Errorf("got %d whole requests and errors %v", r.Requests, r.Errors)
	}
}

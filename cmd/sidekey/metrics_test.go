package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy"
	"github.com/sidekey/sidekey/proxy/wire"
)

// A happening is what is done, and the series that must have moved then: by 1,
// or by what stands behind "+"; "+?" is by anything.
type happening struct {
	what   string
	do     func(w *metricsWorld)
	series []string
}

var happenings = []happening{
	{"a call that the platform pays", func(w *metricsWorld) { w.ask("cohere/command-a", "") }, []string{
		`sidekey_requests_total{credential="system",provider="cohere",status="2xx",surface="chat"}`,
		`sidekey_client_bytes_total{credential="system",direction="up"} +?`, `sidekey_client_bytes_total{credential="system",direction="down"} +?`,
		`sidekey_added_latency_seconds_count{credential="system",reply="whole"}`, `sidekey_added_latency_seconds_sum{credential="system",reply="whole"} +?`,
		`sidekey_added_latency_seconds_bucket{credential="system",reply="whole",le="+Inf"}`,
		`sidekey_time_to_first_byte_seconds_count{credential="system",reply="whole"}`,
		`sidekey_request_duration_seconds_count{credential="system",reply="whole"}`, `sidekey_request_duration_seconds_bucket{credential="system",reply="whole",le="30"}`,
		`sidekey_tokens_total{credential="system",kind="input",provider="cohere"} +?`, `sidekey_tokens_total{credential="system",kind="output",provider="cohere"} +?`,
		`sidekey_usage_replies_total{result="read"}`, `sidekey_upstream_dials_total{upstream="gateway"}`, `sidekey_cache_loads_total`,
		`sidekey_store_call_seconds_count{operation="load",result="ok"}`, `sidekey_upstream_connections{state="idle",upstream="gateway"}`,
		`sidekey_client_connections +?`,
	}},
	{"another", func(w *metricsWorld) { w.ask("cohere/command-a", "") }, []string{
		`sidekey_upstream_reuses_total{upstream="gateway"}`, `sidekey_cache_hits_total`, `sidekey_oldest_key_age_seconds +?`,
	}},
	{"tokens of every kind", func(w *metricsWorld) { w.ask("cohere/count", "") }, []string{
		`sidekey_tokens_total{credential="system",kind="input",provider="cohere"} +100`, `sidekey_tokens_total{credential="system",kind="output",provider="cohere"} +20`,
		`sidekey_tokens_total{credential="system",kind="cached_input",provider="cohere"} +60`, `sidekey_tokens_total{credential="system",kind="reasoning",provider="cohere"} +7`,
	}},
	{"an owner's call", func(w *metricsWorld) { w.ask("openai/gpt-5", "") }, []string{
		`sidekey_requests_total{credential="owner",provider="openai",status="2xx",surface="chat"}`, `sidekey_guard_verdicts_total{verdict="owner_paid"}`,
		`sidekey_tokens_total{credential="owner",kind="input",provider="openai"} +?`, `sidekey_cache_decrypts_total`,
		`sidekey_store_call_seconds_count{operation="decrypt",result="ok"}`,
	}},
	{"an owner's stream", func(w *metricsWorld) { w.ask("openai/gpt-5", `,"stream":true,"stream_options":{"include_usage":true}`) }, []string{
		`sidekey_stream_events_total{surface="chat"} +?`, `sidekey_request_duration_seconds_count{credential="owner",reply="stream"}`,
		`sidekey_tokens_total{credential="owner",kind="output",provider="openai"} +?`,
	}},
	{"a key that no provider takes", func(w *metricsWorld) { w.ask("anthropic/claude-sonnet-4.5", "") }, []string{
		`sidekey_guard_verdicts_total{verdict="leak_replaced"}`, `sidekey_guard_open_breakers`, `sidekey_errors_total{code="owner_key_failed"}`,
		`sidekey_requests_total{credential="none",provider="anthropic",status="4xx",surface="chat"}`,
		// The client got an error, and the platform paid for these all the same.
		`sidekey_tokens_total{credential="system",kind="input",provider="anthropic"} +?`,
	}},
	{"that key again", func(w *metricsWorld) { w.ask("anthropic/claude-sonnet-4.5", "") }, []string{
		`sidekey_guard_verdicts_total{verdict="refused_open"}`, `sidekey_errors_total{code="guard_open"}`,
	}},
	{"no usage", func(w *metricsWorld) { w.ask("cohere/silent", "") }, []string{`sidekey_usage_replies_total{result="absent"}`}},
	{"compressed", func(w *metricsWorld) { w.ask("cohere/zip", "", "Accept-Encoding", "gzip") }, []string{`sidekey_usage_replies_total{result="compressed"}`}},
	{"two models", func(w *metricsWorld) { w.ask("x", `,"model":"y"`) }, []string{`sidekey_errors_total{code="model_ambiguous"}`}},
	{"no HTTP", func(w *metricsWorld) {
		conn := w.begin("", 0)
		fmt.Fprint(conn, "not HTTP\r\n\r\n")
		io.Copy(io.Discard, conn)
		conn.Close()
	}, []string{`sidekey_errors_total{code="malformed_request"}`, `sidekey_requests_total{credential="none",provider="unknown",status="4xx",surface="other"}`}},
	{"a reply that is cut off", func(w *metricsWorld) {
		try(w.t.Context(), http.DefaultClient, "POST", w.url+"/v1/chat/completions", `{"model":"cohere/cut"}`)
	}, []string{`sidekey_upstream_truncated_replies_total{upstream="gateway"}`}},
	{"clients that leave", func(w *metricsWorld) {
		stream := w.begin(`{"model":"cohere/hold"}`, len(`{"model":"cohere/hold"}`))
		stream.Read(make([]byte, 1))
		wait := w.begin(`{"model":"cohere/think"}`, len(`{"model":"cohere/think"}`))
		upload := w.begin(`{"model":"cohere/command-a",`, 5000)
		eventually(w.t, "three are under way", func() bool {
			s := w.scrape()
			return s["sidekey_requests_in_flight"] >= 2 && s[`sidekey_upstream_connections{state="busy",upstream="gateway"}`] == 2
		})
		stream.Close()
		wait.Close()
		upload.Close()
	}, []string{`sidekey_aborts_total{phase="streaming"}`, `sidekey_aborts_total{phase="waiting"}`, `sidekey_aborts_total{phase="upload"}`}},
	{"idle connections that have ended", func(w *metricsWorld) {
		const stale = `sidekey_upstream_stale_connections_total{upstream="gateway"}`
		before := w.scrape()[stale]
		eventually(w.t, "one was found dead", func() bool {
			w.ask("cohere/command-a", "")
			w.closeIdle()
			w.ask("cohere/command-a", "")
			return w.scrape()[stale] > before
		})
	}, []string{`sidekey_upstream_stale_connections_total{upstream="gateway"} +?`}},
	{"an invalidation", func(w *metricsWorld) { call(w.t, "POST", w.admin+"/-/invalidate", "") }, []string{`sidekey_cache_invalidations_total`}},
	{"a configuration that cannot be used", func(w *metricsWorld) {
		w.write("log: {level: loud}\n")
		call(w.t, "POST", w.admin+"/-/reload", "")
	}, []string{`sidekey_config_reloads_total{result="rejected"}`, `sidekey_config_last_reload_successful +-1`}},
	{"a gateway that is not there", func(w *metricsWorld) {
		w.write("gateway: {url: 'http://127.0.0.1:1', key: env:KEY, warm: 0}\n")
		call(w.t, "POST", w.admin+"/-/reload", "")
		w.ask("cohere/command-a", "")
	}, []string{
		`sidekey_config_reloads_total{result="applied"}`, `sidekey_config_last_reload_successful`, `sidekey_config_last_applied_timestamp_seconds +?`,
		`sidekey_upstream_dial_errors_total{upstream="gateway"}`, `sidekey_errors_total{code="upstream_unreachable"}`,
	}},
	{"connections beyond the limit", func(w *metricsWorld) {
		w.write("limits: {connections: 1}\ngateway: {url: 'http://127.0.0.1:1', key: env:KEY, warm: 0}\n")
		call(w.t, "POST", w.admin+"/-/reload", "")
		http.DefaultClient.CloseIdleConnections()
		eventually(w.t, "none is open", func() bool { return w.scrape()["sidekey_client_connections"] == 0 })
		first := w.begin("", 10)
		defer first.Close()
		eventually(w.t, "one connection is open", func() bool { return w.scrape()["sidekey_client_connections"] >= 1 })
		second := w.begin("", 0)
		defer second.Close()
		io.Copy(io.Discard, second)
	}, []string{`sidekey_client_connections_refused_total`}},
	{"a store that cannot be read", func(w *metricsWorld) {
		w.write("cache: {ttl: 1s, stale_limit: 2s, recheck: 1s}\ngateway: {url: 'http://127.0.0.1:1', key: env:KEY, warm: 0}\n")
		call(w.t, "POST", w.admin+"/-/reload", "")
		w.ask("cohere/command-a", "")
		records := filepath.Join(w.dir, "records.json")
		if err := os.WriteFile(records, []byte("{"), 0o600); err != nil {
			w.t.Fatal(err)
		}
		eventually(w.t, "the store is down and its last word too old", func() bool {
			status, _ := w.ask("cohere/command-a", "")
			return status == 503
		})
	}, []string{`sidekey_store_up +-1`, `sidekey_cache_load_failures_total{reason="outage"} +?`, `sidekey_cache_stale_uses_total{what="keyring"} +?`,
		`sidekey_cache_refused_total +?`, `sidekey_errors_total{code="keys_unavailable"} +?`}},
}

// Each metric moves when its thing happens, in the real program.
func TestEachMetricMovesWhenItsThingHappens(t *testing.T) {
	w := newMetricsWorld(t, "")
	defer close(w.hold)
	for _, h := range happenings {
		before := w.scrape()
		h.do(w)
		for _, want := range h.series {
			series, by, _ := strings.Cut(want, " ")
			eventually(t, h.what+": "+want, func() bool {
				after := w.scrape()
				moved, there := after[series]
				moved -= before[series]
				switch by {
				case "":
					return moved == 1
				case "+?":
					return moved > 0 || there && strings.Contains(series, "oldest_key_age")
				}
				return fmt.Sprintf("+%g", moved) == by
			})
		}
	}
}

// What the caches and the transports count is shown, each number in a series of
// its own.
func TestEachCountOfThePartsIsShown(t *testing.T) {
	numbered := func(v any) (names []string) {
		value := reflect.ValueOf(v).Elem()
		for i := range value.NumField() {
			n := int64(1000 + 10*i)
			if f := value.Field(i); f.CanInt() {
				f.SetInt(n)
			} else {
				f.SetUint(uint64(n))
			}
			names = append(names, value.Type().Field(i).Name)
		}
		return names
	}
	values := func(write func(exposition)) (all []float64) {
		ch := make(chan prometheus.Metric, 200)
		write(exposition{ch})
		close(ch)
		for m := range ch {
			all = append(all, valueOf(t, m))
		}
		return all
	}
	var s credstore.Stats
	var u wire.Stats
	var g proxy.GuardCounts
	for _, c := range []struct {
		names []string
		shown []float64
	}{
		{numbered(&s), values(func(e exposition) { e.cache(s, 0) })},
		{numbered(&u), values(func(e exposition) { e.upstreams(&proxy.Metrics{Upstreams: map[string]wire.Stats{"gateway": u}}) })},
		{numbered(&g), values(func(e exposition) { e.guard(&proxy.Metrics{Guard: g}) })},
	} {
		for i, name := range c.names {
			want := float64(1000 + 10*i)
			switch name {
			case "Open":
				want -= float64(u.Idle)
				want = max(want, 0)
			}
			if !slices.Contains(c.shown, want) {
				t.Errorf("%s is not shown", name)
			}
		}
	}
}

// A hundred thousand models, chatbots and paths make no more series than one.
func TestLabelsAreBounded(t *testing.T) {
	w := newMetricsWorld(t, "")
	count := func() int { return len(w.scrape()) }
	w.ask("no-such-model-0", "")
	call(t, "POST", w.url+"/v9/what/0", `{"model":"cohere/silent"}`)
	one := count()
	const n = 300 // of each through the sockets
	for i := range n {
		w.ask(fmt.Sprintf("no-such-model-%d", i), "")
		call(t, "POST", w.url+fmt.Sprintf("/v9/what/%d", i), `{"model":"cohere/silent"}`)
	}
	if got := count(); got > one+2 { // the runtime's own may have gained one
		t.Errorf("%d requests made %d series of %d", 2*n, got, one)
	}
}

// promlint knows the conventions of names, types and help texts.
func TestMetricsFollowTheConventions(t *testing.T) {
	w := newMetricsWorld(t, "")
	w.ask("cohere/command-a", "")
	w.ask("openai/gpt-5", `,"stream":true`)
	_, text := call(t, "GET", w.admin+"/metrics", "")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, name := range []string{"process_open_fds", "process_resident_memory_bytes", "go_goroutines", "go_gc_gomemlimit_bytes", "sidekey_build_info"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
}

// A scrape while sidekey drains says so.
func TestDrainingIsShown(t *testing.T) {
	w := newMetricsWorld(t, "limits: {drain_delay: 1h}\n")
	defer close(w.hold)
	if w.scrape()["sidekey_draining"] != 0 {
		t.Error("draining at the beginning")
	}
	w.signal(os.Interrupt)
	eventually(t, "draining", func() bool { return w.scrape()["sidekey_draining"] == 1 })
}

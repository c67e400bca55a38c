package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A thousand reloads, good and bad, while requests run: none fails, and each is
// answered by a gateway that some good file named, never by one that stood only
// in a bad file.
func TestAThousandReloadsUnderLoad(t *testing.T) {
	reloads := 1000
	if testing.Short() {
		reloads = 100
	}
	urls := []string{gateway(t, "a"), gateway(t, "b")}
	forbidden := gateway(t, "forbidden")
	r := prepare(t, withKey)
	r.setKey("demo", "openai", ownerKey)
	r.start(gatewayLine(urls[0]), func(a *app) { a.settle = time.Hour })

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var served, failed atomic.Int64
	var wrong sync.Map
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				status, reply, err := try(t.Context(), client, "POST", r.url+"/v1/chat/completions", chat)
				served.Add(1)
				if err != nil || status != 200 || reply != "a owner=true" && reply != "b owner=true" {
					failed.Add(1)
					wrong.Store(fmt.Sprintf("%d %s %v", status, reply, err), true)
				}
			}
		})
	}
	bad := []string{"cache: {ttl: 5}\n", "gatway: {}\n", "listen: 127.0.0.1:9\n", "byok: {guard: x}\n", "\tx"}
	for i := range reloads {
		want := 200
		if i%2 == 0 {
			r.write(gatewayLine(urls[i/2%2]) + fmt.Sprintf("timeouts: {dial: %dms}\n", 5000+i))
		} else {
			r.write(gatewayLine(forbidden) + bad[i/2%len(bad)])
			want = 422
		}
		if status, reply := call(t, "POST", r.admin+"/-/reload", ""); status != want {
			t.Fatalf("reload %d: got %d %s, want %d", i, status, reply, want)
		}
		if i%2 == 0 {
			// At once, not soon.
			name := []string{"a", "b"}[i/2%2]
			if _, got := r.chat(); !strings.HasPrefix(got, name+" ") {
				t.Fatalf("reload %d: got %q right after it, want gateway %s", i, got, name)
			}
		}
	}
	stop()
	load.Wait()
	if failed.Load() > 0 {
		wrong.Range(func(what, _ any) bool { t.Errorf("a request was answered with %v", what); return true })
	}
	if served.Load() < 100 {
		t.Errorf("only %d requests ran beside the reloads", served.Load())
	}
	t.Logf("%d requests beside %d reloads, %d failed", served.Load(), reloads, failed.Load())
}

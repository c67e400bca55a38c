package proxy

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
)

// A request that is still asking for its keys when Shutdown begins gets them:
// it was accepted, so it is served.
func TestShutdownLetsLookUpsFinish(t *testing.T) {
	w := newWorld(t, nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	slow := &world{t: t, cfg: w.cfg, log: w.log, gateway: w.gateway}
	slow.start(credstore.SourceFunc(func(ctx context.Context, chatbot string) (*credstore.Keyring, error) {
		close(asked)
		<-answer
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return w.cache.Keyring(ctx, chatbot)
	}))
	got := make(chan int, 1)
	go func() {
		resp, err := slow.client.Post(slow.url+"/v1/chat/completions", "application/json", strings.NewReader(chatBody))
		if err != nil {
			got <- 0
			return
		}
		resp.Body.Close()
		got <- resp.StatusCode
	}()
	<-asked
	down := make(chan error, 1)
	go func() { down <- slow.handler.Shutdown(context.Background()) }()
	waitFor(t, slow.handler.ending.Load)
	close(answer)
	if status := <-got; status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

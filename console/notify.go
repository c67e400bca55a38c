package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// notifyTime bounds how long a change waits for sidecars to be told.
const notifyTime = 2 * time.Second

// A notifier tells sidecars that a chatbot's records have changed, so that they
// forget what they know of it. A sidecar that does not hear of it finds out by
// itself, within cache.ttl.
type notifier struct {
	urls     []string
	client   *http.Client
	log      zerolog.Logger
	failures atomic.Uint64
}

func newNotifier(bases []string, log zerolog.Logger) (*notifier, error) {
	n := &notifier{log: log, client: &http.Client{
		Timeout:       notifyTime,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}, // no proxy: sidecars are near
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for i, base := range bases {
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("console.notify[%d]: %.60q is not the address of a sidecar's admin listener; write for example http://127.0.0.1:8788", i, base)
		}
		n.urls = append(n.urls, strings.TrimRight(base, "/")+"/-/invalidate?chatbot=")
	}
	return n, nil
}

// tell tells all at once and reports whether each has heard it. Nobody to tell
// is not that.
func (n *notifier) tell(ctx context.Context, chatbot string) bool {
	var all sync.WaitGroup
	var failed atomic.Int64
	for _, u := range n.urls {
		all.Go(func() { // ends by notifyTime
			if err := n.post(ctx, u+url.QueryEscape(chatbot)); err != nil {
				failed.Add(1)
				n.log.Warn().Err(err).Str("chatbot", chatbot).Uint64("failures", n.failures.Add(1)).
					Str("remedy", "look at console.notify, and whether the sidecar runs").
					Msg("a sidecar could not be told of a change and uses it within cache.ttl")
			}
		})
	}
	all.Wait()
	return len(n.urls) > 0 && failed.Load() == 0
}

func (n *notifier) post(ctx context.Context, target string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return err
	}
	resp, err := n.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", target, resp.StatusCode)
	}
	return nil
}

// An inUse says when a change is in use.
type inUse struct {
	Now    bool `json:"now"` // every sidecar was told
	Within int  `json:"within_seconds"`
}

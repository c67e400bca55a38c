package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sidekey/sidekey/proxy/wire"
)

// lastWords is how long requests that were broken off may take to end and to
// be logged.
const lastWords = 2 * time.Second

// Shutdown stops accepting and waits for the requests in flight. When ctx
// ends, it breaks the rest off, here and upstream, and returns an error that
// counts them.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.reload.Lock()
	h.ending.Store(true)
	fronts := append(h.old, h.front.Load())
	if h.listener != nil {
		h.listener.Close()
	}
	h.reload.Unlock()

	late := make(chan error, len(fronts))
	for _, f := range fronts {
		go func() { // ends with ctx at the latest
			late <- f.server.Shutdown(ctx)
		}()
	}
	var err error
	for range fronts {
		err = errors.Join(err, <-late)
	}
	// fasthttp does not count what was taken from it: streams in loops, and those
	// to HTTP/1.0 clients.
	if err == nil && !h.idle(ctx) {
		err = ctx.Err()
	}
	// Only now: requests in flight may still have had to ask for their keys.
	h.stop()
	h.tokens.wait()
	err = h.breakOff(err != nil)
	snap := h.snap.Load()
	snap.elsewhere.each(func(t *wire.Transport) { t.Close() })
	return errors.Join(err, snap.gateway.transport.Close())
}

// breakOff closes what is left of the clients' connections, and counts the
// requests that this cut off.
func (h *Handler) breakOff(late bool) error {
	if !late {
		return nil
	}
	// fasthttp returns and leaves them running (pitfalls section 2.12).
	broken := h.inFlight.Load()
	h.conns.abortAll()
	if broken == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	h.idle(ctx)
	return fmt.Errorf("%d requests were broken off at the end of the drain time", broken)
}

// idle waits until no request is in flight, and reports false if ctx ends
// first.
func (h *Handler) idle(ctx context.Context) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for h.inFlight.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

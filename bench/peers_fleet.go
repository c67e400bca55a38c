package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A fleet is all peers of one part of a run, started in front of one upstream.
type fleet []*runningPeer

// startFleet starts the peers one after the other. After an error none runs.
func startFleet(ctx context.Context, y *yard, peers []*Peer, upstream string, secure bool) (fleet, error) {
	var f fleet
	for _, p := range peers {
		r, err := p.start(ctx, y, upstream, secure)
		if err != nil {
			return nil, errors.Join(err, f.stop())
		}
		f = append(f, r)
	}
	return f, nil
}

// targets are the peers as the driver sees them.
func (f fleet) targets() []Target {
	var out []Target
	for _, r := range f {
		out = append(out, Target{Name: r.Name, URL: "http://" + r.Listen, PID: r.child.pid(), Version: r.Version, Note: r.Note})
	}
	return out
}

// watch returns a context that ends when one of the peers does, with that as its
// cause: what is measured from then on is of no use. stop ends the watch.
func (f fleet) watch(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wait sync.WaitGroup
	for _, r := range f {
		wait.Go(func() { // ends with the peer or the context
			select {
			case <-r.child.exited():
				cancel(fmt.Errorf("%s ended while it was measured; %s", r.Name, r.child.tail()))
			case <-ctx.Done():
			}
		})
	}
	return ctx, func() {
		cancel(nil)
		wait.Wait()
	}
}

// stop ends all, the last first, also if some cannot be ended.
func (f fleet) stop() error {
	var errs []error
	for _, r := range slices.Backward(f) {
		errs = append(errs, r.stop())
	}
	return errors.Join(errs...)
}

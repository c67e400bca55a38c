package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// peerKinds are all proxies that bench can set up, in the order of the table.
// The first two are the yardsticks.
var peerKinds = []struct {
	name string
	find func(context.Context, *workshop) (*Peer, error)
}{
	{"nginx", findNginx},
	{"haproxy", findHAProxy},
	{"caddy", findCaddy},
	{"httputil", findHTTPUtil},
	{"fasthttp", findFastHTTP},
	{"portkey", findPortkey},
}

// PeerNames are the names of all peers that bench can set up.
func PeerNames() []string {
	var names []string
	for _, k := range peerKinds {
		names = append(names, k.name)
	}
	return names
}

// A LeftOut is a peer that is not measured, and why.
type LeftOut struct{ Name, Why string }

// findPeers finds those of the named peers that this machine has or can make.
// No names are all.
func findPeers(ctx context.Context, w *workshop, names []string) (found []*Peer, out []LeftOut, err error) {
	for _, name := range names {
		if !slices.Contains(PeerNames(), name) {
			return nil, nil, fmt.Errorf("there is no peer %q; name some of %s", name, strings.Join(PeerNames(), ", "))
		}
	}
	for _, k := range peerKinds {
		if len(names) > 0 && !slices.Contains(names, k.name) {
			continue
		}
		p, err := k.find(ctx, w)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			out = append(out, LeftOut{k.name, err.Error()})
			continue
		}
		found = append(found, p)
	}
	return found, out, nil
}

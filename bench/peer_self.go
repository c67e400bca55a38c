package bench

import "context"

// SelfName is the name of sidekey among the peers.
const SelfName = "sidekey"

// A Self is the sidekey that runs, as a peer among the others. bench knows its
// configuration file and how it is started, and leaves the rest to its caller.
type Self struct {
	Program string
	Version string
	// Prepare makes, in a folder, what peers/sidekey.yaml names there: the store
	// with the owner's key, and the file with the gateway's credential.
	Prepare func(ctx context.Context, dir string) error
	// OwnerKey must be found in each request's body upstream.
	OwnerKey string
}

func (s Self) peer() *Peer {
	return &Peer{
		Name: SelfName, Version: s.Version,
		Note:     "with an owner's key, detection, splice and strict guard",
		files:    []string{"sidekey.yaml"},
		command:  func(at site) []string { return []string{s.Program, "serve", "--config", at.Dir + "/sidekey.yaml"} },
		prepare:  func(ctx context.Context, at site) error { return s.Prepare(ctx, at.Dir) },
		rewrites: true, carries: s.OwnerKey,
		// A second model, or options at the very end, decide who pays: a body is
		// read to its end before any of it goes on.
		holds: true,
	}
}

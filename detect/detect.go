// Package detect reads from a request what it asks for: which surface of the
// gateway, which model, which provider. It is pure: no I/O, no clock, no
// fasthttp, and nothing is allocated on the usual path.
package detect

import "github.com/sidekey/sidekey/provider"

// A Target is what a request asks for.
type Target struct {
	Surface Surface
	// Model is the model id as the client wrote it. It aliases the request
	// (or, for an id written with escapes, a copy) and is valid as long as the
	// request is. Empty if the surface has no model.
	Model []byte
	// Provider is the owner of Model, empty if unknown.
	Provider provider.Slug
	// Stream says that the client asked for a streamed reply.
	Stream bool
}

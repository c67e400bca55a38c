package wire

import "io"

// Body is a reply body on its way.
type Body struct{}

// Read returns what is there, at once. It ends with io.EOF only if the body
// reached its proper end, else with a *TruncatedError or a time-out.
func (b *Body) Read(p []byte) (int, error) { return 0, io.EOF }

// WriteTo writes the body to w, one write for what is there at a time.
func (b *Body) WriteTo(w io.Writer) (int64, error) { return 0, nil }

// Close releases the connection: to the pool if the body ended properly, else
// it is closed. Calling it again does nothing.
func (b *Body) Close() error { return nil }

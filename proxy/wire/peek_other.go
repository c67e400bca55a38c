//go:build !unix

package wire

// peekResult is what a look at the socket's input showed.
type peekResult uint8

const (
	quiet    peekResult = iota // open, nothing to read
	readable                   // bytes wait
	ended                      // end of input, or an error
)

// peek cannot look without reading here, so every socket is taken for quiet:
// a stale one is found out by the request that is sent on it.
func (s *sock) peek() peekResult { return quiet }

func (s *sock) peekFD(uintptr) {}

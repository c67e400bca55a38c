//go:build !unix

package wire

type now struct{}

// readNow never finds anything: there are no descriptors to ask.
func (s *sock) readNow([]byte) (int, error) { return 0, errWouldWait }

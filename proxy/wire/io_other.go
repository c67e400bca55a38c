//go:build !linux

package wire

import "net"

// sockIO is empty where the net package does the system calls.
type sockIO struct{ talk conversation }

func (s *sock) own() {}

func (s *sock) receive(p []byte) (int, error)  { return s.nc.Read(p) }
func (s *sock) transmit(p []byte) (int, error) { return s.nc.Write(p) }

func (s *sock) transmitAll(bufs *net.Buffers) (int64, error) { return bufs.WriteTo(s.nc) }

// readNow reads only what is known to be there.
func (s *sock) readNow(p []byte) (int, error) {
	if s.peek() == quiet {
		return 0, errWouldWait
	}
	return s.nc.Read(p)
}

func (s *sock) writeFirst([]byte) (int, error) { return 0, nil }

// receiveInto reads into a buffer that lend gives and takeBack takes, if nothing
// came.
func (s *sock) receiveInto(b borrower) (int, error) {
	n, err := s.Read(b.lend())
	if n == 0 {
		b.takeBack()
	}
	return n, err
}

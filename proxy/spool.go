package proxy

import (
	"io"
	"os"
	"sync"
)

// A spoolError is a file that could not be written or read: a full disk, no
// file descriptor left. It names the file, never what was in it.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return "spooling a large request body: " + e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

// spoolBuffer is the size of one write to the file.
const spoolBuffer = 64 << 10

var spoolBuffers = sync.Pool{New: func() any { return new([spoolBuffer]byte) }}

// spool writes a body, its beginning and what is to come, to a file in
// os.TempDir, and scans it on the way. wrong is what is wrong with the body.
func (x *exchange) spool() (r *refusal, wrong error) {
	l := x.large
	file, err := openSpool()
	if err != nil {
		return x.spoolFailed(err), nil
	}
	l.file = file // closed by largeBody.close
	buf := spoolBuffers.Get().(*[spoolBuffer]byte)
	defer spoolBuffers.Put(buf)
	size := int64(len(x.buf))
	if _, err := file.Write(x.buf); err != nil {
		return x.spoolFailed(err), nil
	}
	x.buf = x.buf[:0]
	x.giveBack() // a slow client shall not hold it
	for {
		n, err := 0, error(nil)
		for n < len(buf) && err == nil {
			var k int
			k, err = l.src.Read(buf[n:])
			if l.watch {
				if wrong = l.scan.Feed(buf[n : n+k]); wrong != nil {
					return nil, wrong
				}
			}
			n += k
		}
		if err != nil && err != io.EOF {
			return x.uploadFailed(err), nil
		}
		if _, err := file.Write(buf[:n]); err != nil {
			return x.spoolFailed(err), nil
		}
		if size += int64(n); err == io.EOF {
			break
		}
	}
	if l.watch {
		if wrong = l.scan.End(); wrong != nil {
			return nil, wrong
		}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return x.spoolFailed(err), nil
	}
	l.src, l.length = spooled{file}, size
	return nil, nil
}

// openSpool makes a file that only this process can reach: readable by its
// user alone (CreateTemp gives mode 0600), and without a name before the first
// byte is in it, so that neither a crash nor a stop leaves it behind.
func openSpool() (*os.File, error) {
	file, err := os.CreateTemp("", "sidekey-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (x *exchange) spoolFailed(err error) *refusal {
	x.account.cause = &spoolError{err}
	return refused(codeOverloaded)
}

// spooled reads the file back.
type spooled struct{ file io.Reader }

func (s spooled) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	if err != nil && err != io.EOF {
		err = &spoolError{err}
	}
	return n, err
}

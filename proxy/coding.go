package proxy

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"iter"
)

// maxDecoded bounds what is unpacked of one reply: a small one can be made to
// unpack without end.
const maxDecoded = 64 << 20

// A decoder takes the content coding off a reply, for the judge alone: the
// client gets the bytes as they came. It is there for gateways that compress
// although they were asked not to.
//
// The decoders of the standard library pull their input, but a reply comes by
// being pushed. So this one runs as a coroutine: feed resumes it, and it stands
// still again when it has eaten up what there was. It ends with close, on every
// path.
type decoder struct {
	judge *judge
	input []byte
	over  bool // no more input comes
	bad   bool // it could not be decoded to its end

	yield  func(struct{}) bool
	resume func() (struct{}, bool)
	stop   func()
}

// coded says whether a reply has a content coding, and known whether it is one
// that can be taken off. Two of them at once are none.
func coded(coding []byte) (known, any bool) {
	switch {
	case len(coding) == 0, equalFold(coding, "identity"):
		return false, false
	}
	return equalFold(coding, "gzip") || equalFold(coding, "x-gzip") || equalFold(coding, "deflate"), true
}

func newDecoder(coding []byte, j *judge) *decoder {
	d := &decoder{judge: j}
	unpack := unpackGzip
	if equalFold(coding, "deflate") {
		unpack = unpackDeflate
	}
	d.resume, d.stop = iter.Pull(func(yield func(struct{}) bool) {
		d.yield = yield
		d.bad = d.run(unpack) != nil
	})
	return d
}

func (d *decoder) run(unpack func(*bufio.Reader) (io.Reader, error)) error {
	r, err := unpack(bufio.NewReader(d))
	if err != nil {
		return err
	}
	piece := make([]byte, 8<<10)
	for left := maxDecoded; ; {
		n, err := r.Read(piece)
		d.judge.feed(piece[:n])
		if left -= n; err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if left < 0 {
			return errTooMuch
		}
	}
}

var errTooMuch = errors.New("unpacks to more than is looked at")

// Read implements io.Reader for the decoding side.
func (d *decoder) Read(p []byte) (int, error) {
	for len(d.input) == 0 {
		if d.over || !d.yield(struct{}{}) {
			return 0, io.EOF
		}
	}
	n := copy(p, d.input)
	d.input = d.input[n:]
	return n, nil
}

// feed takes the next piece of the reply. It does not keep it.
func (d *decoder) feed(p []byte) {
	d.input = p
	d.resume()
	d.input = nil
}

// close ends the decoding. whole says that the reply reached its end.
func (d *decoder) close(whole bool) {
	if d.over = true; whole {
		d.resume()
	}
	d.stop()
}

func unpackGzip(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) }

// unpackDeflate: the coding is the zlib format (RFC 9110 section 8.4.1.2), but
// some senders leave its wrapper out.
func unpackDeflate(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}

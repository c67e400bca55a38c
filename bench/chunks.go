package bench

import (
	"bytes"
	"errors"
)

// chunks decodes a chunked body as its bytes arrive, without holding any. Its
// zero value stands before the first chunk.
type chunks struct {
	state chunkState
	left  int64 // of the chunk's data
	ended bool  // the last chunk and the trailer have been seen
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkData
	chunkEnd // the line's end after the data
	chunkTrailer
)

// maxChunkLine bounds a line of sizes or of the trailer.
const maxChunkLine = 4 << 10

// errMalformed says that the bytes are no HTTP/1.1.
var errMalformed = errors.New("malformed")

// next takes bytes from the front of b. It returns how many it took, and the
// data among them, which is one run of bytes in b. It takes none if it must see
// more of a line first.
func (c *chunks) next(b []byte) (n int, data []byte, err error) {
	for n < len(b) && !c.ended {
		if c.state == chunkData {
			take := int(min(c.left, int64(len(b)-n)))
			data = b[n : n+take]
			c.left -= int64(take)
			if c.left == 0 {
				c.state = chunkEnd
			}
			return n + take, data, nil
		}
		end := bytes.IndexByte(b[n:], '\n')
		if end < 0 {
			if len(b)-n > maxChunkLine {
				return n, nil, errMalformed
			}
			return n, nil, nil
		}
		line := b[n : n+end]
		if len(line) == 0 || line[len(line)-1] != '\r' || len(line) > maxChunkLine {
			return n, nil, errMalformed
		}
		if err := c.line(line[:len(line)-1]); err != nil {
			return n, nil, err
		}
		n += end + 1
	}
	return n, nil, nil
}

// line takes a line that is no data.
func (c *chunks) line(line []byte) error {
	switch c.state {
	case chunkSize:
		size, err := hexSize(line)
		if err != nil {
			return err
		}
		c.left, c.state = size, chunkData
		if size == 0 {
			c.state = chunkTrailer
		}
	case chunkEnd:
		if len(line) > 0 {
			return errMalformed
		}
		c.state = chunkSize
	case chunkTrailer:
		c.ended = len(line) == 0
	}
	return nil
}

// hexSize reads a chunk's size; an extension after it is passed over.
func hexSize(line []byte) (int64, error) {
	var size int64
	digits := 0
	for digits < len(line) && digits < 16 {
		d, ok := hexDigit(line[digits])
		if !ok {
			break
		}
		size = size<<4 | d
		digits++
	}
	rest := trimBlank(line[digits:])
	if digits == 0 || digits == 16 || len(rest) > 0 && rest[0] != ';' {
		return 0, errMalformed
	}
	return size, nil
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int64(c|0x20-'a') + 10, true
	}
	return 0, false
}

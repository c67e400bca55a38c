package bench

import (
	"bytes"
	"errors"
)

// maxHead bounds the head of a reply.
const maxHead = 64 << 10

// errCut says that a reply ended before its end.
var errCut = errors.New("cut")

// A reply reads one HTTP/1.1 reply from bytes as they arrive. It allocates
// nothing and holds no byte of the body, so its cost is not taken for the
// target's. Its zero value awaits the first byte of a head.
type reply struct {
	noBody bool // set before: the request was a HEAD

	status    int
	headDone  bool
	done      bool // the reply ended properly
	keepAlive bool // and its connection can take another request
	body      int64
	events    events // if the body is a stream of events

	framing framing
	left    int64
	chunks  chunks
	stream  bool
	old     bool // HTTP/1.0
}

// framing is how the end of a body is known.
type framing uint8

const (
	byClose framing = iota
	byLength
	byChunks
)

// next takes bytes from the front of b and returns how many. What it leaves it
// must be given again, with more behind. eof says that no more will come.
func (r *reply) next(b []byte, eof bool) (int, error) {
	taken := 0
	for !r.headDone {
		n, err := r.head(b[taken:])
		if err != nil {
			return taken, err
		}
		if n == 0 {
			if eof {
				return taken, errCut
			}
			return taken, nil
		}
		taken += n
	}
	for !r.done {
		n, err := r.content(b[taken:])
		taken += n
		if err != nil {
			return taken, err
		}
		if n == 0 {
			break
		}
	}
	if eof && !r.done {
		if r.framing != byClose {
			return taken, errCut
		}
		r.done = true
	}
	return taken, nil
}

// content takes a run of the body's bytes.
func (r *reply) content(b []byte) (int, error) {
	n, data := len(b), b
	switch r.framing {
	case byLength:
		n = int(min(r.left, int64(len(b))))
		data = b[:n]
		r.left -= int64(n)
		r.done = r.left == 0
	case byChunks:
		var err error
		if n, data, err = r.chunks.next(b); err != nil {
			return n, err
		}
		r.done = r.chunks.ended
	}
	r.body += int64(len(data))
	if r.stream {
		r.events.scan(data)
	}
	return n, nil
}

// head takes a whole head, or nothing. Interim replies (1xx) are passed over.
func (r *reply) head(b []byte) (int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxHead {
			return 0, errMalformed
		}
		return 0, nil
	}
	line, fields, ok := cutLine(b[:end+4])
	if !ok {
		return 0, errMalformed
	}
	if err := r.statusLine(line); err != nil {
		return 0, err
	}
	if err := r.fields(fields); err != nil {
		return 0, err
	}
	switch {
	case r.status == 101:
		return 0, errMalformed
	case r.status < 200:
		noBody := r.noBody
		*r = reply{noBody: noBody}
		return end + 4, nil
	case r.noBody || r.status == 204 || r.status == 304:
		r.framing, r.left = byLength, 0
	}
	r.headDone = true
	r.done = r.framing == byLength && r.left == 0
	if r.framing == byClose {
		r.keepAlive = false
	}
	return end + 4, nil
}

// statusLine reads such as "HTTP/1.1 200 OK".
func (r *reply) statusLine(b []byte) error {
	if len(b) < 12 || !bytes.HasPrefix(b, []byte("HTTP/1.")) || b[8] != ' ' || (len(b) > 12 && b[12] != ' ') {
		return errMalformed
	}
	if b[7] != '0' && b[7] != '1' {
		return errMalformed
	}
	status, err := decimal(b[9:12])
	if err != nil || status < 100 {
		return errMalformed
	}
	r.status, r.keepAlive, r.old = int(status), b[7] == '1', b[7] == '0'
	return nil
}

// cutLine splits behind the first line. It accepts none that ends with a mere
// line feed.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || b[end-1] != '\r' {
		return nil, nil, false
	}
	return b[:end-1], b[end+1:], true
}

// fields reads what decides about the body and the connection.
func (r *reply) fields(b []byte) error {
	lengths := 0
	for len(b) > 2 {
		line, rest, ok := cutLine(b)
		b = rest
		colon := bytes.IndexByte(line, ':')
		if !ok || colon <= 0 || line[colon-1] == ' ' {
			return errMalformed
		}
		name, value := line[:colon], trimBlank(line[colon+1:])
		switch {
		case isWord(name, "content-length"):
			n, err := decimal(value)
			if err != nil || (lengths > 0 && n != r.left) {
				return errMalformed
			}
			lengths++
			if r.framing != byChunks {
				r.framing = byLength
			}
			r.left = n
		case isWord(name, "transfer-encoding"):
			if !isWord(value, "chunked") || r.framing == byChunks || r.old {
				return errMalformed
			}
			r.framing = byChunks
		case isWord(name, "connection"):
			if hasToken(value, "close") {
				r.keepAlive = false
			}
		case isWord(name, "content-type"):
			r.stream = hasWordPrefix(value, "text/event-stream")
		}
	}
	return nil
}

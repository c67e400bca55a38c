package sandbox

import (
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
)

// encoder carries out FaultEncode: what is written is compressed, and each
// write can be decoded as soon as it is sent.
type encoder struct {
	http.ResponseWriter
	coding string
	to     interface {
		io.WriteCloser
		Flush() error
	}
	begun bool
}

func newEncoder(w http.ResponseWriter, coding string) *encoder {
	e := &encoder{ResponseWriter: w, coding: coding}
	switch coding {
	case "gzip":
		e.to = gzip.NewWriter(w)
	case "deflate":
		e.to = zlib.NewWriter(w)
	}
	return e
}

// Unwrap lets http.ResponseController reach Flush.
func (e *encoder) Unwrap() http.ResponseWriter { return e.ResponseWriter }

func (e *encoder) WriteHeader(status int) {
	e.begun = true
	e.Header().Set("Content-Encoding", e.coding)
	e.Header().Del("Content-Length")
	e.ResponseWriter.WriteHeader(status)
}

func (e *encoder) Write(p []byte) (int, error) {
	if !e.begun {
		e.WriteHeader(http.StatusOK)
	}
	if e.to == nil {
		return e.ResponseWriter.Write(p)
	}
	if n, err := e.to.Write(p); err != nil {
		return n, err
	}
	return len(p), e.to.Flush()
}

// close writes the end of the coding, if anything was written.
func (e *encoder) close() {
	if e.begun && e.to != nil {
		e.to.Close()
	}
}

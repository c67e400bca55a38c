package wire

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"
)

// Config says where the one upstream is and how long to wait for what. Zero
// durations take the defaults named.
type Config struct {
	// Address is host:port, or unix:/path.
	Address string
	// TLS, nil for plaintext, is cloned; MinVersion is at least 1.2 and a
	// session cache is added. ServerName defaults to the host of Address.
	TLS        *tls.Config
	ServerName string

	Dial       time.Duration // name look-up, connect and TLS handshake together; 5s
	Write      time.Duration // without progress on the outgoing bytes; 30s
	HeaderWait time.Duration // from the last byte sent to the whole reply head; 10m
	Idle       time.Duration // between two reads of a reply body; 5m

	MaxConns int           // open connections, above it Overloaded; 20000
	MaxIdle  time.Duration // an idle connection older than that is not used; 60s
	// MaxAge ends a connection's use, whatever its load, so that changes of
	// the name's address are followed; 3m, with up to a third off at random.
	MaxAge       time.Duration
	MaxReplyHead int // bytes; 64 KiB

	// Dialer replaces net.Dialer (tests, resolvers).
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)
}

// Request is one outgoing request. The transport reads it during Do only.
type Request struct {
	// Head is the request line and header lines without framing and without
	// the blank line, as AppendHead and AppendLine build it.
	Head []byte
	// Body is sent first, piece by piece and together with the head in one
	// writev; Stream, if not nil, after it.
	Body   [][]byte
	Stream io.Reader
	// Length counts all body bytes, pieces and stream; -1 means chunked.
	Length int64
	// NoBody with Length 0 sends neither Content-Length nor
	// Transfer-Encoding.
	NoBody bool
	// Method decides how the reply is framed (HEAD has no body).
	Method string
}

// Stats are plain counters since the transport's start; Open and Idle are the
// present values.
type Stats struct {
	Dials      int64 // connections opened
	DialErrors int64
	Reuses     int64 // requests sent on a connection that had served before
	Stale      int64 // idle connections found dead by the probe, or too old
	Resent     int64 // requests sent again after not one byte was written
	Truncated  int64 // reply bodies that were cut
	Open, Idle int64
}

// Transport sends requests to one upstream. It is safe for concurrent use.
type Transport struct {
	cfg Config
}

// NewTransport checks the config. It opens no connection.
func NewTransport(cfg Config) (*Transport, error) { return &Transport{cfg: cfg}, nil }

// Do sends req, at most once, and reads the head of the reply into rep. The
// error is always an *Error. client, which may be nil, is the downstream
// connection; it is watched while the reply is awaited.
func (t *Transport) Do(req *Request, rep *Reply, client *Conn) error {
	return &Error{Kind: Unreachable}
}

// Close closes idle connections; busy ones close when their reply ends.
func (t *Transport) Close() error { return nil }

// CloseIdle closes the idle connections, for example after a config change.
func (t *Transport) CloseIdle() {}

// Stats returns the counters.
func (t *Transport) Stats() (s Stats) { return s }

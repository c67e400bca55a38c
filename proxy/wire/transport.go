package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
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
	Write      time.Duration // without progress on the outgoing bytes; 30s, up to twice that after some
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

// Request is one outgoing request. It belongs to the transport during Do and
// to the caller again afterwards.
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

	gathered [1][]byte // a small stream, read into one piece
	upgrade  bool      // a handshake, see Upgrade
}

// Transport sends requests to one upstream. It is safe for concurrent use.
type Transport struct {
	cfg  Config
	idle pool

	life context.Context // ended by Close: no dial outlives the transport
	end  context.CancelFunc

	handshakes chan struct{} // a token for each, see maxHandshakes

	warmth  context.Context // ended by Retire and Close
	cool    context.CancelFunc
	warming sync.Once

	count struct {
		warmed, warmUsed, warmLost atomic.Int64

		dials, dialErrors, reuses, stale, resent, truncated, open, tunnels atomic.Int64
	}
}

// NewTransport checks the config. It opens no connection.
func NewTransport(cfg Config) (*Transport, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	t := &Transport{cfg: cfg, handshakes: make(chan struct{}, maxHandshakes)}
	t.life, t.end = context.WithCancel(context.Background())
	t.warmth, t.cool = context.WithCancel(t.life)
	return t, nil
}

// Do sends req, at most once, and reads the head of the reply into rep. The
// error is always an *Error; rep has no Body then. client, which may be nil, is
// the downstream connection; it is watched until the reply's body is
// closed: if the client leaves, the upstream connection is closed at once.
//
// On success rep.Body, if not nil, must be closed.
func (t *Transport) Do(req *Request, rep *Reply, client *Conn) error {
	if !req.valid() {
		return &Error{Kind: BadRequest, Err: errLengths}
	}
	if req.Stream != nil && req.Length >= 0 && req.Length <= streamRead {
		return t.doGathered(req, rep, client)
	}
	return t.do(req, rep, client)
}

// doGathered reads a small body before it takes a connection: the whole
// request is one write then, and a client that trickles holds no upstream
// connection.
func (t *Transport) doGathered(req *Request, rep *Reply, client *Conn) error {
	buf := streamBufs.Get().(*[largeBuf]byte)
	defer putStreamBuf(buf)
	n := 0
	for _, p := range req.Body {
		n += copy(buf[n:], p)
	}
	if _, err := io.ReadFull(req.Stream, buf[n:req.Length]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return &Error{Kind: UploadBroken, Err: err}
	}
	body, stream := req.Body, req.Stream
	req.gathered[0] = buf[:req.Length]
	req.Body, req.Stream = req.gathered[:], nil
	err := t.do(req, rep, client)
	req.Body, req.Stream, req.gathered[0] = body, stream, nil
	return err
}

func (t *Transport) do(req *Request, rep *Reply, client *Conn) error {
	for {
		c, err := t.connection(req)
		if err != nil {
			return err
		}
		served, ahead := c.served, c.ahead
		c.ahead = false
		failure := c.roundTrip(req, rep, client)
		if ahead && failure != errStale {
			t.count.warmUsed.Add(1)
		}
		if served && failure != errStale {
			t.count.reuses.Add(1) // not before: a counter that falls looks like a restart
		}
		if failure == nil {
			return nil
		}
		if failure == errStale {
			t.count.stale.Add(1)
			if ahead {
				t.count.warmLost.Add(1)
			}
			continue
		}
		// The one case in which a request is sent again: a connection that had
		// served before took not one byte of it. A stream is untouched then,
		// it comes after the head. Each turn uses up one idle connection, so
		// the loop ends.
		if failure.Written || !served || failure.Kind != BrokeOff {
			return failure
		}
		t.count.resent.Add(1)
	}
}

var errLengths = errors.New("Length does not fit the body, or Head is empty")

// valid catches a caller's mistake before it becomes a desynchronised
// connection.
func (r *Request) valid() bool {
	var n int64
	for _, p := range r.Body {
		n += int64(len(p))
	}
	switch {
	case len(r.Head) == 0 || r.NoBody && r.Length != 0:
		return false
	case r.Length < 0:
		return r.Length == -1
	case r.Stream == nil:
		return n == r.Length
	}
	return n <= r.Length
}

// connection returns an idle connection that passes its probe, else a new one.
// A conversation probes the connection itself.
func (t *Transport) connection(req *Request) (*upConn, error) {
	now := time.Now()
	for c := t.idle.take(); c != nil; c = t.idle.take() {
		if c.unprobed = c.converses(req) && !c.over(now); c.unprobed || c.usable(now) {
			c.taken = now
			return c, nil
		}
		t.count.stale.Add(1)
		c.close()
	}
	return t.fresh()
}

// fresh opens a connection, if there is room for one.
func (t *Transport) fresh() (*upConn, error) {
	if t.count.open.Add(1) > int64(t.cfg.MaxConns) {
		t.count.open.Add(-1)
		return nil, &Error{Kind: Overloaded}
	}
	c, err := t.dial()
	if err != nil {
		t.count.open.Add(-1)
		if t.life.Err() != nil {
			err = errClosed
		}
		return nil, &Error{Kind: Unreachable, Err: err}
	}
	return c, nil
}

// Close closes idle connections and ends dials; busy connections close when
// their reply ends.
func (t *Transport) Close() error {
	t.end()
	t.idle.drain(true)
	return nil
}

// Retire is for a transport that gets no new work but still has some: requests
// that hold it may go on, and even begin, but no connection is kept after its
// reply.
func (t *Transport) Retire() {
	t.cool()
	t.idle.drain(true)
}

// CloseIdle closes the idle connections, for example after a config change.
func (t *Transport) CloseIdle() { t.idle.drain(false) }

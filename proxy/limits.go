package proxy

import (
	"time"

	"github.com/sidekey/sidekey/proxy/wire"
)

// Limits bound what one client can cost. Sizes are in bytes.
type Limits struct {
	Body        int64
	Header      int
	Connections int
	// ScanWindow is how much of a body is held in memory while the model is
	// looked for; 0 means 1 MiB.
	ScanWindow int64
	// HalfClose is what a client that closes its sending half is taken for:
	// HalfCloseLeft (also if empty) or HalfCloseWaits.
	HalfClose string
}

// The values of Limits.HalfClose.
const (
	HalfCloseLeft  = "close"
	HalfCloseWaits = "allow"
)

// defaultScanWindow holds the beginning of almost every body: clients write
// model before messages, or send little.
const defaultScanWindow = 1 << 20

func (l *Limits) validate(bad func(path, format string, args ...any)) {
	if l.Body <= 0 || l.Header <= 0 || l.Connections <= 0 {
		bad("limits", "body, header and connections must be greater than zero")
	}
	if l.ScanWindow < 0 {
		bad("limits.scan_window", "must not be negative; write for example 1MiB")
	}
	if h := l.HalfClose; h != "" && h != HalfCloseLeft && h != HalfCloseWaits {
		bad("limits.half_close", "%q is not known; write close or allow", h)
	}
}

// admitTo sets what a listener decides for the connections to come.
func (l *Limits) admitTo(ln *wire.Listener) { ln.AllowHalfClose(l.HalfClose == HalfCloseWaits) }

// Timeouts bound each step of an exchange on its own. There is none for the
// whole of it: a stream may go on for as long as bytes keep coming.
type Timeouts struct {
	Dial         time.Duration // name look-up, connection and TLS handshake
	Write        time.Duration // the request, each stretch of it
	HeaderWait   time.Duration // from the last byte sent to the reply's head
	Idle         time.Duration // between two reads of a reply's body
	ClientHeader time.Duration // a request's head, once its first byte came
	ClientBody   time.Duration // between two reads of a request's body
	ClientIdle   time.Duration // between two requests
}

func (t *Timeouts) validate(bad func(path, format string, args ...any)) {
	for _, x := range []struct {
		name string
		d    time.Duration
	}{
		{"dial", t.Dial}, {"write", t.Write}, {"header_wait", t.HeaderWait},
		{"idle", t.Idle}, {"client_header", t.ClientHeader},
		{"client_body", t.ClientBody}, {"client_idle", t.ClientIdle},
	} {
		if x.d <= 0 {
			bad("timeouts."+x.name, "must be greater than zero; write for example 30s")
		}
	}
}

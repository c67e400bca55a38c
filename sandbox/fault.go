package sandbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind uint8

const (
	// FaultNone lets the request be.
	FaultNone FaultKind = iota
	// FaultDrop closes the connection before a byte of the reply.
	FaultDrop
	// FaultCutHead closes it in the middle of the head.
	FaultCutHead
	// FaultGarbage sends bytes that are not HTTP.
	FaultGarbage
	// FaultHang sends nothing until the client leaves or Timeout has passed,
	// then closes.
	FaultHang
	// FaultRefuse answers with Status and Type in the surface's error shape.
	FaultRefuse
	// FaultReply answers with Status, Header and Body as given.
	FaultReply
	// FaultEchoKey fails the first attempt with Status (401) and a message
	// that repeats the injected owner key, as careless upstreams do. It is
	// the one reply of the sandbox that contains a key.
	FaultEchoKey
	// FaultCut closes the connection after After events of a stream (or, of
	// any other reply, before its body), without a proper end.
	FaultCut
	// FaultStall does not close there, but sends no more.
	FaultStall
	// FaultStreamError ends a stream after After events with the surface's
	// own error event.
	FaultStreamError
	// FaultEncode compresses the reply with the content coding that Type names
	// (gzip or deflate), whether that was asked for or not. Any other coding is
	// only claimed.
	FaultEncode
)

// Fault is one request's misfortune.
type Fault struct {
	Kind   FaultKind
	Reset  bool // connections are closed with RST, not FIN
	Inside bool // FaultCut: in the middle of an event, chunk or body
	After  int  // complete events (writes) that still pass
	Status int  // 0: FaultEchoKey 401, FaultRefuse 500, FaultReply 200
	Type   string
	Header http.Header
	Body   []byte
}

// early carries out the faults that come before any judgement of the request.
func (f *Fault) early(c *call) bool {
	switch f.Kind {
	case FaultDrop:
		f.hangUp(c.w, nil)
	case FaultCutHead:
		f.hangUp(c.w, []byte("HTTP/1.1 200 OK\r\nContent-Type: applic"))
	case FaultGarbage:
		f.hangUp(c.w, []byte("\x00\x16garbage instead of a status line\r\n\r\n"))
	case FaultHang:
		sleep(c.ctx(), c.g.config.Timeout)
		f.hangUp(c.w, nil)
	case FaultRefuse:
		c.fail(refuse(cmp.Or(f.Status, http.StatusInternalServerError), f.Type, "the sandbox was told to refuse this request"))
	case FaultReply:
		for name, values := range f.Header {
			c.w.Header()[name] = values
		}
		status := cmp.Or(f.Status, http.StatusOK)
		c.record(status)
		c.w.WriteHeader(status)
		c.w.Write(f.Body)
	default:
		return false
	}
	return true
}

// hangUp writes raw bytes to the connection and closes it. Where there is no
// connection (a recorder in a test) it aborts the handler.
func (f *Fault) hangUp(w http.ResponseWriter, raw []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	conn.Write(raw)
	if f.Reset {
		under := conn
		if t, ok := conn.(*tls.Conn); ok {
			under = t.NetConn()
		}
		if t, ok := under.(*net.TCPConn); ok {
			t.SetLinger(0)
			t.Close()
			return
		}
	}
	conn.Close()
}

// faultWriter carries out FaultCut and FaultStall: it counts the writes, each
// of which is one event or one whole body.
type faultWriter struct {
	http.ResponseWriter
	ctx     context.Context
	timeout time.Duration
	fault   Fault
}

// Unwrap lets http.ResponseController reach Flush and Hijack.
func (w *faultWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *faultWriter) Write(p []byte) (int, error) {
	if w.fault.After > 0 {
		w.fault.After--
		return w.ResponseWriter.Write(p)
	}
	http.NewResponseController(w.ResponseWriter).Flush() // so that the head is out
	if w.fault.Kind == FaultStall {
		sleep(w.ctx, w.timeout)
		panic(http.ErrAbortHandler)
	}
	var raw []byte
	if w.fault.Inside {
		if w.Header().Get("Content-Length") == "" {
			raw = fmt.Appendf(nil, "%x\r\n", len(p))
		}
		raw = append(raw, p[:len(p)/2]...)
	}
	w.fault.hangUp(w.ResponseWriter, raw)
	panic(http.ErrAbortHandler)
}

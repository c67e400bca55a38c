package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"
)

// Rhythm is how the events of a stream come.
type Rhythm struct {
	Events int     // of one stream; at least 2
	Rate   float64 // events per second and stream; 0: as fast as the reader takes them
	Burst  int     // events that come together; the pauses are so much longer
}

// UpstreamConfig sets an Upstream up. Its zero value serves plaintext on a port
// of loopback that the system chooses.
type UpstreamConfig struct {
	Listen string      // address, "127.0.0.1:0" if empty
	TLS    *tls.Config // nil: plaintext
	Rhythm Rhythm      // of streams whose request names none
}

// An Upstream stands for the AI gateway: it answers what the gateway answers to
// an owner's call, and costs several times less CPU than any proxy, so that it
// is not what is measured. It reads of a request only what it must: where it
// ends, and whether it asks for a stream.
//
// A request's header X-Bench, such as "events=100,rate=50,burst=1", sets the
// rhythm of its stream.
type Upstream struct {
	listener net.Listener
	tls      *tls.Config
	rhythm   Rhythm
	wheels   []*wheel

	mu    sync.Mutex
	conns map[net.Conn]struct{} // open, to be closed at the end
	shut  bool
	wait  sync.WaitGroup // of every goroutine
}

// cpusPerWheel: one wheel sends some hundred thousand events a second, and a
// second one would only wake more often for as many.
const cpusPerWheel = 4

// StartUpstream serves until Close.
func StartUpstream(c UpstreamConfig) (*Upstream, error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("the upstream cannot listen on %s: %w", c.Listen, err)
	}
	u := &Upstream{listener: l, tls: c.TLS, rhythm: c.Rhythm.orDefault(), conns: map[net.Conn]struct{}{}}
	for range max(runtime.GOMAXPROCS(0)/cpusPerWheel, 1) {
		w, err := newWheel()
		if err != nil {
			u.Close()
			return nil, err
		}
		u.wheels = append(u.wheels, w)
		u.wait.Go(w.run) // ends when Close stops the wheel
	}
	u.wait.Go(u.accept) // ends when Close closes the listener
	return u, nil
}

func (r Rhythm) orDefault() Rhythm {
	if r.Events == 0 {
		r.Events = 100
	}
	if r.Burst == 0 {
		r.Burst = 1
	}
	return r
}

// Addr is where it listens.
func (u *Upstream) Addr() string { return u.listener.Addr().String() }

// URL is its base.
func (u *Upstream) URL() string {
	if u.tls != nil {
		return "https://" + u.Addr()
	}
	return "http://" + u.Addr()
}

// takeLate returns how late it sent the events of streams since the call before.
// Nothing is known of an upstream that is nil: it runs elsewhere.
func (u *Upstream) takeLate() (all Histogram) {
	if u == nil {
		return all
	}
	for _, w := range u.wheels {
		late := w.takeLate()
		all.Merge(&late)
	}
	return all
}

// Close stops it and waits until nothing of it runs.
func (u *Upstream) Close() error {
	u.mu.Lock()
	u.shut = true
	err := u.listener.Close()
	for c := range u.conns {
		c.Close()
	}
	u.mu.Unlock()
	for _, w := range u.wheels {
		w.stop()
	}
	u.wait.Wait()
	return err
}

// acceptPause is between two attempts to accept while there are no file
// descriptors left.
const acceptPause = 10 * time.Millisecond

func (u *Upstream) accept() {
	for next := 0; ; next++ {
		c, err := u.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors: those in use will end
			time.Sleep(acceptPause)
			continue
		}
		e, err := newEager(c.(*net.TCPConn))
		if err != nil || !u.add(e) {
			c.Close()
			continue
		}
		w := u.wheels[next%len(u.wheels)]
		u.wait.Go(func() { u.serve(e, w) }) // ends with the connection
	}
}

func (u *Upstream) add(c net.Conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.shut {
		return false
	}
	u.conns[c] = struct{}{}
	return true
}

func (u *Upstream) serve(e *eager, w *wheel) {
	var c net.Conn = e
	if u.tls != nil {
		c = tls.Server(e, u.tls)
	}
	s := &upstreamConn{conn: c, eager: e, wheel: w, rhythm: u.rhythm, buf: make([]byte, 4<<10), ended: make(chan struct{}, 1)}
	s.serve()
	c.Close()
	u.mu.Lock()
	delete(u.conns, e)
	u.mu.Unlock()
}

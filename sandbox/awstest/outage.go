package awstest

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Down closes the address: connections break, new ones are refused.
func (w *World) Down() {
	w.mu.Lock()
	s := w.server
	w.server = nil
	w.mu.Unlock()
	if s != nil {
		s.Close() // also calls that nobody waits for any more
	}
}

// Up opens the same address again after Down.
func (w *World) Up(t testing.TB) {
	t.Helper()
	if err := w.listen(strings.TrimPrefix(w.URL, "http://")); err != nil {
		t.Fatal(err)
	}
}

// listen serves until Down.
func (w *World) listen(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: w.front, ErrorLog: log.New(io.Discard, "", 0)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server, w.URL = s, "http://"+ln.Addr().String()
	go s.Serve(ln) // ends with Down
	return nil
}

// maxSkew is how far a signature's time may be from AWS's (General Reference,
// Signature Version 4).
const maxSkew = 5 * time.Minute

// Ahead sets AWS's clock ahead of this machine's, or behind: as if this one had
// jumped. From then on each reply's Date tells, and calls signed for another
// time are refused. Before, no clock is looked at: in a synctest bubble it is
// the year 2000.
func (w *World) Ahead(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead = &d
}

// skewed stamps the reply with AWS's time, and reports whether the call was
// signed for another.
func (w *World) skewed(rw http.ResponseWriter, r *http.Request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ahead == nil {
		return false
	}
	now := time.Now().Add(*w.ahead)
	rw.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || at.Sub(now).Abs() <= maxSkew {
		return false
	}
	w.skews++
	return true
}

// Skewed returns how many calls were refused because of the clock.
func (w *World) Skewed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.skews
}

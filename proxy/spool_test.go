package proxy

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// spoolFiles returns the modes of the open files that had a name in dir.
func spoolFiles(t *testing.T, dir string) (modes []os.FileMode) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range open {
		path := filepath.Join("/proc/self/fd", fd.Name())
		name, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(name, dir) {
			continue // closed meanwhile
		}
		if !strings.HasSuffix(name, " (deleted)") {
			t.Errorf("%s still has its name", name)
		}
		if info, err := os.Stat(path); err == nil {
			modes = append(modes, info.Mode())
		}
	}
	return modes
}

// A body whose model stands too far behind lies in a file without a name, for
// no longer than it takes, and the gateway hears of it when it is complete.
func TestSpooledBodiesLeaveNoFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	w := newLargeWorld(t, false, 16<<10)
	body := largeBodyOf(300<<10, "", "", modelMember)
	for name, rest := range map[string]string{"whole": body[200<<10:], "broken off": "", "no JSON": "\x01"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:200<<10])
		waitFor(t, func() bool { // it has a name for a moment
			names, err := os.ReadDir(dir)
			return err == nil && len(names) == 0 && len(spoolFiles(t, dir)) == 1
		})
		if modes := spoolFiles(t, dir); len(modes) != 1 || modes[0] != 0o600 {
			t.Errorf("%s: files open with modes %v, want one with 0600", name, modes)
		}
		if stats := w.handler.snap.Load().gateway.transport.Stats(); stats.Open > stats.Idle {
			t.Errorf("%s: a connection upstream is in use during the upload", name)
		}
		if rest == "" {
			conn.Close()
		} else {
			io.WriteString(conn, rest)
			reply, _ := io.ReadAll(conn)
			if ok := strings.HasPrefix(string(reply), "HTTP/1.1 200 "); ok != (name == "whole") {
				t.Errorf("%s: got %.60q", name, reply)
			}
			conn.Close()
		}
		waitFor(t, func() bool { return w.handler.InFlight() == 0 })
		if modes := spoolFiles(t, dir); len(modes) != 0 {
			t.Errorf("%s: %d files are still open", name, len(modes))
		}
		if names, _ := os.ReadDir(dir); len(names) != 0 {
			t.Errorf("%s: %d files are left", name, len(names))
		}
	}
	if seen := w.arrived(); len(seen) != 1 || seen[0].Err != nil {
		t.Errorf("the gateway saw %d requests, want one whole one", len(seen))
	}
}

// A disk that takes no file: an error that may be tried again, nothing sent.
func TestNoPlaceToSpoolIsAnError(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	w := newLargeWorld(t, false, 16<<10)
	w.post(largeBodyOf(100<<10, "", "", modelMember), false).refusedWith(t, codeOverloaded)
	if seen := w.arrived(); len(seen) != 0 {
		t.Errorf("%d requests went upstream", len(seen))
	}
	if a := w.post(largeBodyOf(100<<10, modelMember, "", ""), false); a.status != 200 {
		t.Errorf("a body that needs no file got %d", a.status)
	}
}

// Clients that send a byte now and then hold no connection upstream, with and
// without an owner's key, whatever they announce.
func TestTricklersHoldNoUpstreamConnection(t *testing.T) {
	const clients = 500
	var accepted atomic.Int64
	up := listen(t, func(conn net.Conn) { accepted.Add(1) })
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	for _, owned := range []bool{false, true} {
		if owned {
			w.keep("shop", "openai", openaiCanary)
		}
		var conns []net.Conn
		for i := range clients {
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			must(t, err)
			defer conn.Close()
			framing := "Content-Length: 5000000\r\n\r\n{"
			switch i % 4 {
			case 1:
				framing = "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
			case 2:
				framing = "Content-Length: 500\r\n\r\n{"
			case 3: // nearly a window full
				framing = fmt.Sprintf("Content-Length: 50000\r\n\r\n{%s%40000s", modelMember, "")
			}
			_, err = io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"+framing)
			must(t, err)
			conns = append(conns, conn)
		}
		for range 3 {
			// fasthttp reads the first 8 KiB before the handler runs.
			waitFor(t, func() bool { return w.handler.conns.count() == clients && w.handler.InFlight() >= clients/4 })
			for i, conn := range conns {
				if i%4 != 1 {
					_, err := io.WriteString(conn, " ")
					must(t, err)
					continue
				}
				_, err := io.WriteString(conn, "1\r\n \r\n")
				must(t, err)
			}
		}
		if n, open := accepted.Load(), w.handler.snap.Load().gateway.transport.Stats(); n != 0 || open.Dials != 0 {
			t.Errorf("owner's key %v: %d connections upstream, %d dialled; want none", owned, n, open.Dials)
		}
		for _, conn := range conns {
			conn.Close()
		}
		waitFor(t, func() bool { return w.handler.InFlight() == 0 })
	}
	if n := accepted.Load(); n != 0 {
		t.Errorf("%d connections upstream, want none", n)
	}
}

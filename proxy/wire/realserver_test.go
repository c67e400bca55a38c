package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// A realServer is a program that people run in production, as the upstream. It
// logs each request that it reads: method, target, length and the value of
// X-Probe, separated by blanks.
type realServer struct {
	addr string
	log  func() []string
}

// program finds a server of the system's packages. In CI it must be there.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; CI needs it", name)
	}
	t.Skipf("SKIPPED: %s is not installed, so nothing was checked against it", name)
	return ""
}

// freePort is free at the moment, which is as good as it gets for a program
// that cannot be handed a socket.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// run starts a program in the foreground. It ends with the test, also if the
// test's process is killed: the shell in between waits for the end of its input.
func run(t *testing.T, addr string, output io.Writer, path string, args ...string) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `"$@" & cat >/dev/null; kill $!; wait`, "sh", path}, args...)...)
	cmd.Stdout, cmd.Stderr = output, output
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		_ = cmd.Wait()
	})
	eventually(t, path+" listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func nginx(t *testing.T) realServer {
	path := program(t, "nginx")
	dir, addr := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(`
daemon off; master_process off; worker_processes 1;
pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 64; }
http {
	log_format probe escape=none '$request_method $request_uri $content_length. $http_x_probe';
	access_log %[1]s/access.log probe;
	underscores_in_headers on; merge_slashes off; keepalive_requests 100000;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server { listen %[2]s; location / { return 200 ok; } }
}`, dir, addr)
	name := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(name, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, addr, io.Discard, path, "-p", dir, "-c", name, "-e", filepath.Join(dir, "error.log"))
	return realServer{addr, func() []string {
		text, _ := os.ReadFile(filepath.Join(dir, "access.log"))
		return lines(string(text))
	}}
}

func haproxy(t *testing.T) realServer {
	path := program(t, "haproxy")
	addr := freePort(t)
	conf := fmt.Sprintf(`
global
	log stdout format raw local0
defaults
	mode http
	timeout client 30s
	timeout connect 5s
	timeout server 5s
	timeout http-request 30s
frontend probe
	bind %s
	log global
	option dontlognull
	http-request capture req.hdr(x-probe) len 64
	http-request capture req.hdr(content-length) len 20
	log-format "PROBE %%HM %%HU %%[capture.req.hdr(1)]. %%[capture.req.hdr(0)]"
	http-request return status 200 content-type text/plain string ok
`, addr)
	name := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(name, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var out bytes.Buffer
	run(t, addr, lockedWriter{&mu, &out}, path, "-db", "-f", name)
	return realServer{addr, func() (got []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, line := range lines(out.String()) {
			if rest, ok := strings.CutPrefix(line, "PROBE "); ok {
				got = append(got, encoded.ReplaceAllStringFunc(rest, func(m string) string {
					b, _ := hex.DecodeString(m[1:])
					return string(b)
				}))
			}
		}
		return got
	}}
}

// encoded is how HAProxy logs a byte that could confuse a log's reader.
var encoded = regexp.MustCompile("#[0-9A-F]{2}")

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func lines(s string) []string {
	return strings.Split(strings.TrimRight(s, "\n"), "\n")
}

// probed gives a request of the corpus an X-Probe line behind its first one.
func probed(raw, id string) string {
	start := 0
	for strings.HasPrefix(raw[start:], crlf) {
		start += 2
	}
	end := strings.Index(raw[start:], crlf)
	if end < 0 {
		return raw
	}
	end += start + 2
	return raw[:end] + "X-Probe: " + id + crlf + raw[end:]
}

// Each request of the corpus and a marker, pipelined on one connection of the
// client and sent on one to the upstream. What a real server reads is exactly
// what was passed on: each with its own id, in order, none split, none joined,
// none that nobody sent.
func TestRealServersStayInStep(t *testing.T) {
	for name, start := range map[string]func(*testing.T) realServer{"nginx": nginx, "haproxy": haproxy} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			g := newGateway(t, Config{Address: s.addr}, func(g *gateway) { g.opts.MaxHead, g.hold = 16<<10, true })
			var want []string
			refusals := 0
			for i, p := range corpus(t) {
				id := fmt.Sprintf("p%d", i)
				c := dialClient(t, g.addr)
				if p.leftover {
					c.send(t, probed(p.raw, id))
				} else {
					c.send(t, probed(p.raw, id)+probed(marker, id+"m"))
				}
				status, _ := c.statusOfReply()
				if p.status == 0 {
					method, target, _ := strings.Cut(strings.TrimLeft(p.raw, crlf), " ")
					target, _, _ = strings.Cut(target, " ")
					entry := fmt.Sprintf("%s %s %s", method, target, id)
					if status != 200 {
						entry = id // it has its own view of paths and methods
						refusals++
					}
					want = append(want, entry)
					if !p.leftover {
						if second, _ := c.statusOfReply(); second != 200 {
							t.Errorf("%s: the marker got %d after %d", p.where, second, status)
						}
						want = append(want, "GET /marker "+id+"m")
					}
				}
				c.Close()
			}
			var got []string
			eventually(t, "the marker at the end is logged", func() bool {
				got = s.log()
				return len(got) >= len(want)
			})
			if n := len(want); len(got) > n {
				t.Errorf("%d requests were logged, %d sent", len(got), n)
			}
			for i, line := range got[:min(len(got), len(want))] {
				f := strings.Fields(line)
				if !strings.Contains(want[i], " ") {
					if last := f[len(f)-1]; last != "." && last != want[i] {
						t.Errorf("request %d: got %q, want one that was refused, of %s or without an id", i, line, want[i])
					}
					continue
				}
				if len(f) < 3 || f[0]+" "+f[1]+" "+f[len(f)-1] != want[i] {
					t.Errorf("request %d: got %q, want %q", i, line, want[i])
				}
			}
			t.Logf("%d requests in step on %d connections; %d were not to its taste", len(got), g.t.Stats().Dials, refusals)
			if refusals > 10 {
				t.Errorf("%s refused %d requests: then little was shown", name, refusals)
			}
		})
	}
}

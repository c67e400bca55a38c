package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A probe is one entry of testdata/requests.
type probe struct {
	where    string // file:line
	raw      string
	status   int // of the refusal, 0 if it is passed on
	behind   int // bytes behind its end are refused with that status, 0: without one
	leftover bool
	upstream string
}

var repeated = regexp.MustCompile(`\{(\d+)\*([^{}]*)\}`)

// unescape turns a line of the corpus into bytes.
func unescape(t testing.TB, where, s string) string {
	t.Helper()
	for repeated.MatchString(s) {
		s = repeated.ReplaceAllStringFunc(s, func(m string) string {
			p := repeated.FindStringSubmatch(m)
			n, _ := strconv.Atoi(p[1])
			return strings.Repeat(p[2], n)
		})
	}
	raw, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	return raw
}

// corpus reads all of testdata/requests.
func corpus(t testing.TB) (probes []probe) {
	t.Helper()
	files, err := filepath.Glob("testdata/requests/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if line == "" || line[0] == '#' {
				continue
			}
			where := fmt.Sprintf("%s:%d", filepath.Base(name), i+1)
			verdict, rest, _ := strings.Cut(line, " ")
			rest = unescape(t, where, rest)
			if verdict == "->" {
				probes[len(probes)-1].upstream = rest
				continue
			}
			p := probe{where: where, raw: rest}
			if behind, ok := strings.CutPrefix(verdict, "ok+"); ok {
				p.leftover = true
				p.behind, err = strconv.Atoi(behind)
			} else if verdict != "ok" {
				p.status, err = strconv.Atoi(verdict)
			}
			if err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			probes = append(probes, p)
		}
	}
	if len(probes) < 150 {
		t.Fatalf("the corpus has %d requests, want 150 at least", len(probes))
	}
	return probes
}

// wiretap is an upstream that notes every byte it gets, and answers each
// request when it is complete.
type wiretap struct {
	mu   sync.Mutex
	got  bytes.Buffer
	ends int // complete requests
}

func (w *wiretap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got.Write(p)
}

func (w *wiretap) take() (string, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, n := w.got.String(), w.ends
	w.got.Reset()
	w.ends = 0
	return s, n
}

func (w *wiretap) serve(c net.Conn, _ *bufio.Reader) {
	br := bufio.NewReader(io.TeeReader(c, w))
	for readPlain(br) == nil {
		w.mu.Lock()
		w.ends++
		w.mu.Unlock()
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// readPlain reads one request. net/http's reader would judge the target too.
func readPlain(br *bufio.Reader) error {
	length, coded := 0, false
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return err
		}
		if line == crlf {
			break
		}
		if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		coded = coded || line == "Transfer-Encoding: chunked\r\n"
	}
	var d chunkDecoder
	for coded && !d.done() {
		c, err := br.ReadByte()
		if err == nil {
			_, _, err = d.next([]byte{c})
		}
		if err != nil {
			return err
		}
	}
	_, err := br.Discard(length)
	return err
}

const (
	marker   = "GET /marker HTTP/1.1\r\nHost: x\r\n\r\n"
	markerUp = "GET /marker HTTP/1.1\r\nHost: upstream.test\r\nAuthorization: Bearer injected\r\n\r\n"
)

// statusOfReply reads one reply, 0 if the connection ends instead.
func (c *client) statusOfReply() (status int, closes bool) {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return 0, true
	}
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Close
}

// Each request of the corpus is sent together with a marker behind it. What is
// refused gets its status, and not a byte goes upstream, neither its own nor
// the marker's. What is passed on arrives in exactly one reading, byte for byte,
// and the marker after it.
func TestCorpusIsRefusedOrReadInOneWay(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		w := new(wiretap)
		u := newUpstream(t, overTLS, w.serve)
		g := newGateway(t, Config{Address: u.addr, TLS: u.client}, func(g *gateway) { g.opts.MaxHead, g.hold = 16<<10, true })
		for _, p := range corpus(t) {
			c := dialClient(t, g.addr)
			sent := p.raw + marker
			want := []int{200, 200}
			upstream := p.upstream + markerUp
			switch {
			case p.status > 0:
				want, upstream = []int{p.status}, ""
			case p.leftover:
				sent, want, upstream = p.raw, []int{200, p.behind}, p.upstream
			}
			c.send(t, sent)
			for i, status := range want {
				got, closes := c.statusOfReply()
				if got != status || closes != (status != 200) {
					t.Errorf("%s: reply %d: got %d, close %v; want %d", p.where, i+1, got, closes, status)
				}
			}
			if got, _ := w.take(); got != upstream {
				t.Errorf("%s: the upstream got\n%.400q, want\n%.400q", p.where, got, upstream)
			}
			c.Close()
		}
		if s := g.t.Stats(); s.Dials != 1 {
			t.Errorf("dials: got %d, want 1: every reply has a proper end", s.Dials)
		}
	})
}

// A body that is passed on while it comes cannot be kept back. But the
// upstream never sees the end of one that is refused.
func TestStreamedUploadThatIsRefusedNeverEnds(t *testing.T) {
	w := new(wiretap)
	u := newUpstream(t, false, w.serve)
	g := newGateway(t, Config{Address: u.addr})
	for _, p := range corpus(t) {
		if !strings.HasPrefix(p.where, "chunks.txt") || p.status == 0 {
			continue
		}
		c := dialClient(t, g.addr)
		c.send(t, p.raw+marker)
		if got, closes := c.statusOfReply(); got != p.status || !closes {
			t.Errorf("%s: got %d, close %v; want %d", p.where, got, closes, p.status)
		}
		c.Close()
		if _, ends := w.take(); ends != 0 {
			t.Errorf("%s: the upstream got a complete request", p.where)
		}
	}
	eventually(t, "upstream connections closed", func() bool { return g.t.Stats().Open == 0 })
}

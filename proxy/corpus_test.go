package proxy

import (
	"bufio"
	"bytes"
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
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

var repetition = regexp.MustCompile(`\{(\d+)\*([^{}]*)\}`)

// wireBytes turns a line of wire's corpus into bytes; see testdata/requests
// there.
func wireBytes(t *testing.T, s string) string {
	t.Helper()
	for repetition.MatchString(s) {
		s = repetition.ReplaceAllStringFunc(s, func(m string) string {
			p := repetition.FindStringSubmatch(m)
			n, _ := strconv.Atoi(p[1])
			return strings.Repeat(p[2], n)
		})
	}
	raw, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	must(t, err)
	return raw
}

// counted is an upstream that answers every complete request and keeps each
// byte that it gets.
type counted struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (u *counted) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got.Write(p)
}

func (u *counted) take() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.got.Reset()
	return u.got.String()
}

func (u *counted) serve(conn net.Conn) {
	br := bufio.NewReader(io.TeeReader(conn, u))
	for {
		length := 0
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\r\n" {
				break
			}
			if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				length, _ = strconv.Atoi(strings.TrimSpace(v))
			}
		}
		if _, err := br.Discard(length); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

// wire's corpus through the whole sidecar, each request with another one behind
// it. What is refused leads to not one byte upstream, of either; what is passed
// on is the same request, once.
func TestCorpusThroughTheWholeProxy(t *testing.T) {
	up := new(counted)
	url := listen(t, up.serve)
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = url; c.Limits.Header = 16 << 10 })
	const behind = "GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	files, err := filepath.Glob("wire/testdata/requests/*.txt")
	must(t, err)
	refused, passed := 0, 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(t, err)
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			if line == "" || line[0] == '#' || line[0] == '-' {
				continue
			}
			verdict, escaped, _ := strings.Cut(line, " ")
			raw := wireBytes(t, escaped)
			if !strings.HasPrefix(verdict, "ok+") {
				raw += behind
			}
			resp, body := w.firstReply(raw)
			got := up.take()
			where := filepath.Base(name) + ":" + strconv.Itoa(i+1)
			if !strings.HasPrefix(verdict, "ok") {
				refused++
				want := string(codeMalformed)
				if verdict == "431" {
					want = string(codeHeadersTooLarge)
				}
				if resp == nil || !resp.Close || resp.Header.Get("x-sidekey-error") != want || !bytes.Contains(body, []byte(want)) {
					t.Errorf("%s: not refused with %s and a close", where, want)
				}
				if got != "" {
					t.Errorf("%s: refused, but %d bytes went upstream", where, len(got))
				}
				continue
			}
			if resp == nil {
				t.Errorf("%s: no reply", where)
				continue
			}
			if resp.Header.Get("x-sidekey-error") == string(codePathNotExposed) {
				got, _, _ = strings.Cut(got, "GET /v1/models ")
				if got != "" {
					t.Errorf("%s: %d bytes upstream of a path that is not exposed", where, len(got))
				}
				continue
			}
			passed++
			want := wireBytes(t, strings.TrimPrefix(lines[i+1], "-> "))
			wantLine, _, _ := strings.Cut(want, "\r\n")
			gotLine, _, _ := strings.Cut(got, "\r\n")
			if resp.StatusCode != 200 || gotLine != wantLine {
				t.Errorf("%s: got %d and %q upstream, want %q", where, resp.StatusCode, gotLine, wantLine)
			}
			if n := strings.Count(got, "\nHost: "); !strings.HasPrefix(verdict, "ok+") && n != 2 || strings.HasPrefix(verdict, "ok+") && n != 1 {
				t.Errorf("%s: %d requests upstream", where, n)
			}
		}
	}
	if refused < 150 || passed < 20 {
		t.Errorf("%d refused and %d passed on: the corpus is not what it was", refused, passed)
	}
}

// firstReply sends bytes and reads all that comes; it returns the first reply,
// nil if there is none.
func (w *world) firstReply(raw string) (*http.Response, []byte) {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(w.t, err)
	defer conn.Close()
	must(w.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, raw)
	must(w.t, err)
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return nil, nil
	}
	body, _ := io.ReadAll(resp.Body)
	if _, err := io.Copy(io.Discard, br); err != nil {
		w.t.Errorf("the connection was not closed: %v", err)
	}
	return resp, body
}

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// A soakClient makes one request after the other, well and badly.
type soakClient struct {
	s    *soak
	r    *rand.Rand
	conn net.Conn
	br   *bufio.Reader
}

func newSoakClient(s *soak, n uint64) *soakClient {
	return &soakClient{s: s, r: rand.New(rand.NewPCG(s.seed, n))}
}

func (c *soakClient) run() {
	defer c.hangUp(false)
	for {
		select {
		case <-c.s.stop:
			return
		default:
			c.request()
		}
	}
}

func (c *soakClient) hangUp(rst bool) {
	if c.conn != nil {
		if rst {
			resetConn(c.conn)
		}
		c.conn.Close()
		c.conn = nil
	}
}

func (c *soakClient) dial() bool {
	if c.conn != nil {
		return true
	}
	conn, err := net.Dial("tcp", c.s.addr)
	if err != nil {
		c.s.problem("dial: %v", err)
		return false
	}
	c.conn, c.br = conn, bufio.NewReader(conn)
	return true
}

// request makes one, in one of the ways in which clients behave.
func (c *soakClient) request() {
	if !c.dial() {
		return
	}
	c.conn.SetDeadline(time.Now().Add(5 * time.Minute))
	tenant := c.s.tenants[c.r.IntN(len(c.s.tenants))]
	slug := soakSlugs[c.r.IntN(len(soakSlugs))]
	if c.r.IntN(2) == 0 {
		for slug = range tenant.keys { // more often one that is the owner's
			break
		}
	}
	call := c.s.book.begin(tenant, slug)
	defer c.s.book.end(call)
	head, body := c.compose(call)
	switch way := c.r.IntN(100); {
	case way < 70:
		if c.send(head, body, false) {
			c.receive(call, c.r.IntN(10) == 0)
		}
	case way < 73: // a slow sender
		if c.send(head, body, true) {
			c.receive(call, false)
		}
	case way < 79:
		c.s.add("client left while uploading")
		c.conn.Write(head)
		c.conn.Write(body[:c.r.IntN(len(body))])
		c.hangUp(c.r.IntN(2) == 0)
	case way < 87:
		c.s.add("client left while waiting")
		if c.send(head, body, false) {
			time.Sleep(time.Duration(c.r.IntN(3000)) * time.Microsecond) // what a client does, no synchronisation
		}
		c.hangUp(c.r.IntN(2) == 0)
	case way < 94:
		c.s.add("client left while streaming")
		if c.send(head, body, false) {
			if resp, err := http.ReadResponse(c.br, nil); err == nil {
				io.CopyN(io.Discard, resp.Body, int64(c.r.IntN(2000)))
			}
		}
		c.hangUp(c.r.IntN(2) == 0)
	case way < 97:
		c.s.add("client closed its half")
		if c.send(head, body, false) {
			closeWrite(c.conn)
			allowed := c.s.cfg.Limits.HalfClose == HalfCloseWaits
			if resp, err := http.ReadResponse(c.br, nil); err == nil {
				content, err := io.ReadAll(resp.Body)
				c.judge(call, resp, content, err, !allowed)
			} else if allowed {
				c.s.problem("%s: no reply to a client that may close its half: %v", call.id, err)
			}
		}
		c.hangUp(false)
	default:
		c.stranger(tenant)
	}
}

// compose makes a request of a random surface, size and framing. The body is
// framed already.
func (c *soakClient) compose(call *soakCall) (head, body []byte) {
	model, stream := soakModels[call.slug], c.r.IntN(2) == 0
	path, extra := "/v1/chat/completions", ""
	switch c.r.IntN(5) {
	case 1:
		path = "/v1/responses"
	case 2:
		path, extra = "/v1/messages", "anthropic-version: 2023-06-01\r\n"
	case 3:
		path = "/v1/embeddings"
	case 4:
		path = "/v4/ai/language-model"
		extra = fmt.Sprintf("ai-language-model-id: %s\r\nai-language-model-streaming: %v\r\nai-language-model-specification-version: 3\r\n", model, stream)
	}
	size := c.r.IntN(2000)
	if c.r.IntN(20) == 0 {
		size = c.r.IntN(1_500_000)
	}
	filler := strings.Repeat("a", size)
	content := fmt.Sprintf(`{"soak_id":%q,"model":%q,"stream":%v,"input":%[4]q,"messages":[{"role":"user","content":%[4]q}]}`, call.id, model, stream, filler)
	auth := "Authorization: Bearer "
	if path == "/v1/messages" && c.r.IntN(2) == 0 {
		auth = "x-api-key: "
	}
	head = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: sidekey\r\nContent-Type: application/json\r\n%s: %s\r\n%s%s%s\r\n", path, soakID, call.id, extra, auth, call.tenant.token)
	if c.r.IntN(3) > 0 {
		return fmt.Appendf(head, "Content-Length: %d\r\n\r\n", len(content)), []byte(content)
	}
	for rest := content; rest != ""; {
		n := 1 + c.r.IntN(min(len(rest), 100_000))
		body = fmt.Appendf(body, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	return append(head, "Transfer-Encoding: chunked\r\n\r\n"...), append(body, "0\r\n\r\n"...)
}

// send reports whether the request was written whole. It need not be: a
// refusal may come early.
func (c *soakClient) send(head, body []byte, slowly bool) bool {
	all := append(head, body...)
	step := len(all)
	if slowly {
		step = len(all)/20 + 1
	}
	for len(all) > 0 {
		n := min(step, len(all))
		if _, err := c.conn.Write(all[:n]); err != nil {
			c.s.add("request not taken whole")
			break
		}
		if all = all[n:]; slowly {
			time.Sleep(time.Millisecond) // what a slow client does
		}
	}
	return true
}

func (c *soakClient) receive(call *soakCall, slowly bool) {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.s.problem("%s: no reply: %v (fault: %s)", call.id, err, call.faulted())
		c.hangUp(false)
		return
	}
	var body io.Reader = resp.Body
	if slowly {
		body = slowReader{body}
		c.s.add("slow reader")
	}
	content, err := io.ReadAll(body)
	c.judge(call, resp, content, err, false)
	if err != nil || resp.Close {
		c.hangUp(false)
	}
}

// slowReader takes a little at a time.
type slowReader struct{ r io.Reader }

func (r slowReader) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Microsecond) // what a slow client does
	return r.r.Read(p[:min(len(p), 4096)])
}

// stranger sends what must be refused and must not arrive.
func (c *soakClient) stranger(tenant *soakTenant) {
	want, head := 401, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+tenant.token+"x\r\nContent-Length: 2\r\n\r\n{}"
	if c.r.IntN(2) == 0 {
		want, head = 400, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"
	}
	io.WriteString(c.conn, head)
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil || resp.StatusCode != want {
		c.s.problem("a bad request got no %d: %v", want, err)
	}
	c.s.add(fmt.Sprintf("reply %d", want))
	c.hangUp(false)
}

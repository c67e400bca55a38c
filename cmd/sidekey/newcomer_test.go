package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// A newcomer's evening: the sandbox in the place of gateway and providers, a
// sidecar and the console on one store. The printed link signs in, a key is
// tested and stored, the next call of an SDK is paid by it, and a metric says so.
func TestNewcomersPath(t *testing.T) {
	box, err := sandbox.NewGateway(sandbox.DemoConfig())
	if err != nil {
		t.Fatal(err)
	}
	server, err := box.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	r := prepare(t, testEnv{"KEY": sandbox.DemoGatewayKey})
	r.start("gateway: {url: '" + server.URL() + "', key: env:KEY, warm: 0}\n")
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, r.file, string(text)+"console: {listen: 127.0.0.1:0, notify: ['"+r.admin+"']}\n")
	page := r.console("--providers", server.URL())

	var bot struct {
		ETag  string
		InUse struct{ Now bool } `json:"in_use"`
	}
	page.do("POST", "/api/v1/chatbots", "", `{"id":"demo","name":"First","account":"me"}`, 201, &bot)
	page.do("PUT", "/api/v1/chatbots/demo/byok", bot.ETag, `{"enabled":true}`, 200, nil)
	const key = "sk-demo-openai-good-000000000001"
	var tested struct{ Result, Message string }
	page.do("POST", "/api/v1/chatbots/demo/keys/openai/test", "", `{"fields":{"key":"sk-demo-openai-wrong-0000000001"}}`, 200, &tested)
	if tested.Result != "invalid" || !strings.Contains(tested.Message, "Incorrect API key") {
		t.Errorf("a wrong key: got %+v", tested)
	}
	page.do("POST", "/api/v1/chatbots/demo/keys/openai/test", "", `{"fields":{"key":"`+key+`"}}`, 200, &tested)
	if tested.Result != "valid" {
		t.Errorf("a good key: got %+v", tested)
	}
	page.do("PUT", "/api/v1/chatbots/demo/keys/openai", "*", `{"fields":{"key":"`+key+`"}}`, 201, &bot)
	if !bot.InUse.Now {
		t.Error("the sidecar in console.notify was not told")
	}

	const series = `sidekey_requests_total{credential="owner",provider="openai",status="2xx",surface="chat"}`
	before := r.scrape()[series]
	status, _ := call(t, "POST", r.url+"/v1/chat/completions", `{"model":"openai/gpt-5.4-mini","messages":[{"role":"user","content":"hi"}]}`, "Content-Type", "application/json")
	if status != 200 {
		t.Fatalf("the call: got %d", status)
	}
	if entries := box.Ledger(); len(entries) != 1 || entries[0].Credential != sandbox.BYOK {
		t.Errorf("the ledger: %+v, want one call that the owner's key paid", entries)
	}
	eventually(t, "the metric", func() bool { return r.scrape()[series] == before+1 })
}

// A consolePage is a browser's session, without the browser (console/page_test.go
// has that).
type consolePage struct {
	t         *testing.T
	url, csrf string
	client    *http.Client
}

// console starts the console on the configuration and signs in by its link.
func (r *running) console(args ...string) *consolePage {
	t := r.t
	t.Helper()
	var out logBuffer
	a := newApp(strings.NewReader(""), &out, &r.logs)
	a.lookup, a.environ = r.env.lookup, r.env.environ
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { ended <- a.run(ctx, append([]string{"console", "--config", r.file}, args...)) }()
	t.Cleanup(func() { cancel(); <-ended })
	link := regexp.MustCompile(`http://[^/\s]+/sign-in\?code=\S+`)
	eventually(t, "the console's link", func() bool { return link.MatchString(out.String()) })
	address := link.FindString(out.String())
	jar, _ := cookiejar.New(nil)
	p := &consolePage{t: t, client: &http.Client{Jar: jar}}
	p.url, _, _ = strings.Cut(address, "/sign-in")
	resp, err := p.client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	html, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || !bytes.Contains(html, []byte("<script")) {
		t.Fatalf("the link leads to %d %.100s", resp.StatusCode, html)
	}
	var session struct{ CSRF string }
	p.do("GET", "/api/v1/session", "", "", 200, &session)
	p.csrf = session.CSRF
	return p
}

// do makes a call. match is the etag to be matched, "*" for what must not exist.
func (p *consolePage) do(method, path, match, body string, want int, into any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("X-CSRF-Token", p.csrf)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	switch match {
	case "":
	case "*":
		req.Header.Set("If-None-Match", "*")
	default:
		req.Header.Set("If-Match", match)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != want {
		p.t.Fatalf("%s %s: got %d %s, want %d", method, path, resp.StatusCode, text, want)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			p.t.Fatal(err)
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
)

// A consoleRun is sidekey console, in this process.
type consoleRun struct {
	t      *testing.T
	url    string
	out    logBuffer // standard output
	logs   logBuffer
	status chan int
	stop   context.CancelFunc
	client *http.Client
}

const consoleSecret = "CANARY-console-0123456789abcdef01234567"

// runConsole starts the console with a configuration. It ends with the test.
func runConsole(t *testing.T, config string, env testEnv, adjust ...func(*app)) *consoleRun {
	t.Helper()
	c := &consoleRun{t: t, status: make(chan int, 1), client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	file := writeFile(t, filepath.Join(t.TempDir(), "sidekey.yaml"), config)
	a := newApp(strings.NewReader(""), &c.out, &c.logs)
	a.lookup, a.environ, a.notify = env.lookup, env.environ, func(chan<- os.Signal, ...os.Signal) {}
	for _, f := range adjust {
		f(a)
	}
	var ctx context.Context
	ctx, c.stop = context.WithCancel(t.Context())
	go func() { c.status <- a.run(ctx, []string{"console", "--config", file}) }() // ends with ctx
	t.Cleanup(func() {
		c.stop()
		if status := <-c.status; status != 0 {
			t.Errorf("the console ended with status %d: %s", status, &c.logs)
		}
		if all := c.logs.String() + c.out.String(); strings.Contains(all, "CANARY") {
			t.Error("the console's output holds a secret")
		}
	})
	listens := regexp.MustCompile(`listens on (http://\S+)\n`)
	eventually(t, "the console listens", func() bool {
		m := listens.FindStringSubmatch(c.out.String())
		if m != nil {
			c.url = m[1]
		}
		if len(c.status) > 0 {
			t.Fatalf("the console ended: %s", &c.logs)
		}
		return m != nil
	})
	return c
}

// do makes a call, and decodes what came.
func (c *consoleRun) do(method, path, body string, header ...string) (int, map[string]any, http.Header) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	rep, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rep.Body.Close()
	data, err := io.ReadAll(rep.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.Contains(string(data), "CANARY") {
		c.t.Errorf("%s %s answered with a secret", method, path)
	}
	var got map[string]any
	_ = json.Unmarshal(data, &got) // pages and 204 are none
	return rep.StatusCode, got, rep.Header
}

// mintRole is sidekey token mint --role, with the secret in the environment.
func mintRole(t *testing.T, args ...string) string {
	t.Helper()
	file := writeFile(t, filepath.Join(t.TempDir(), "sidekey.yaml"), "console: {auth: {secret: env:CONSOLE}}\n")
	var out, problems logBuffer
	a := newApp(strings.NewReader(""), &out, &problems)
	a.lookup = testEnv{"CONSOLE": consoleSecret}.lookup
	if status := a.run(t.Context(), append([]string{"token", "mint", "--config", file}, args...)); status != 0 {
		t.Fatalf("mint ended with %d: %s", status, &problems)
	}
	return strings.TrimSpace(out.String())
}

// An owner's key is in use with the first request after it was stored: the
// sidecar, which has just looked and found nothing, is told. The table tells
// nobody, so without that it would take cache.ttl.
func TestKeyStoredInTheConsoleIsUsedAtOnce(t *testing.T) {
	r := awsWorld(t)
	r.serveAWS(t, "")
	env := maps.Clone(withKey)
	env["CONSOLE"] = consoleSecret
	sdk := r.w.SDK()
	c := runConsole(t, r.storeConfig()+"console: {listen: '127.0.0.1:0', auth: {secret: env:CONSOLE}, notify: ['"+r.admin+"']}\nlog: {format: json}\n",
		env, func(a *app) { a.sdk = &sdk })
	acme := []string{"Authorization", "Bearer " + mintRole(t, "--role", "owner", "--account", "acme", "--name", "ann")}

	status, made, _ := c.do("POST", "/api/v1/chatbots", `{"id":"help","name":"Help desk"}`, acme...)
	if status != 201 {
		t.Fatalf("created: %d %v", status, made)
	}
	status, on, _ := c.do("PUT", "/api/v1/chatbots/help/byok", `{"enabled":true}`, append(acme, "If-Match", made["etag"].(string))...)
	if use, _ := on["in_use"].(map[string]any); status != 200 || use["now"] != true || use["within_seconds"] != 0.0 {
		t.Fatalf("switched on: %d %v", status, on)
	}
	if got := askAt(t, r.url, "help"); got != "200 system" {
		t.Fatalf("before there is a key: %s", got)
	}
	status, key, _ := c.do("PUT", "/api/v1/chatbots/help/keys/openai", `{"fields":{"key":"`+ownerKey+`"}}`, append(acme, "If-None-Match", "*")...)
	if use, _ := key["in_use"].(map[string]any); status != 201 || use["now"] != true {
		t.Fatalf("stored: %d %v", status, key)
	}
	if got := askAt(t, r.url, "help"); got != paidByOwner {
		t.Errorf("right after it was stored: %s, want %s", got, paidByOwner)
	}
	_, _, _ = c.do("DELETE", "/api/v1/chatbots/help/keys/openai", "", append(acme, "If-Match", key["etag"].(string))...)
	if got := askAt(t, r.url, "help"); got != "200 system" {
		t.Errorf("right after it was removed: %s", got)
	}
	_, trail, _ := c.do("GET", "/api/v1/chatbots/help/audit", "", acme...)
	var words []string
	items, _ := trail["items"].([]any)
	for _, item := range items {
		e := item.(map[string]any)
		words = append(words, fmt.Sprint(e["actor"], " ", e["action"], " ", e["item"]))
	}
	if got := strings.Join(words, ", "); got != "ann delete openai, ann set openai, ann switch on byok, ann create chatbot" {
		t.Errorf("the trail is %s", got)
	}
	// A sidecar that is gone delays nothing and is not claimed to know.
	r.signal(os.Interrupt)
	r.wait()
	status, off, _ := c.do("PUT", "/api/v1/chatbots/help/byok", `{"enabled":false}`, append(acme, "If-Match", on["etag"].(string))...)
	if use, _ := off["in_use"].(map[string]any); status != 200 || use["now"] != false || use["within_seconds"] != 300.0 {
		t.Errorf("with the sidecar gone: %d %v", status, off)
	}
	if !strings.Contains(c.logs.String(), "a sidecar could not be told") {
		t.Error("the log does not say that the sidecar was not told")
	}
}

// Without any configuration the operator gets in by the link on the terminal,
// once, and stays in by the cookie.
func TestOperatorSignsInByTheLinkOnce(t *testing.T) {
	r := prepare(t, testEnv{}) // a store
	c := runConsole(t, "console: {listen: '127.0.0.1:0'}\nstore: {local: {dir: "+r.dir+"}}\nlog: {format: json}\n", testEnv{})
	link := regexp.MustCompile(`http://\S+(/sign-in\?code=\S+)`).FindStringSubmatch(c.out.String())
	if link == nil {
		t.Fatalf("no link in %q", c.out.String())
	}
	if status, _, _ := c.do("GET", "/api/v1/session", ""); status != 401 {
		t.Errorf("without signing in: %d", status)
	}
	// What previews links must not use it up, nor a page that has the name of
	// another machine lead here.
	if status, _, _ := c.do("HEAD", link[1], ""); status != 405 {
		t.Errorf("HEAD: %d", status)
	}
	if status, _, _ := c.do("GET", link[1], "", "Host", "thief.example:"+c.url[strings.LastIndex(c.url, ":")+1:]); status != 403 {
		t.Errorf("by another name: %d", status)
	}
	status, _, header := c.do("GET", link[1], "")
	cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	if status != 303 || header.Get("Location") != "/" || !strings.HasPrefix(cookie, "sidekey_session=") ||
		!strings.Contains(header.Get("Set-Cookie"), "HttpOnly; SameSite=Strict") {
		t.Fatalf("the link: %d, %v", status, header)
	}
	_, session, _ := c.do("GET", "/api/v1/session", "", "Cookie", cookie)
	if session["role"] != "operator" || session["csrf"] == "" || session["in_use_within_seconds"] != 2.0 {
		t.Errorf("the session: %v", session)
	}
	if status, _, _ := c.do("GET", link[1], ""); status != 401 {
		t.Errorf("the link a second time: %d", status)
	}
	if status, made, _ := c.do("POST", "/api/v1/chatbots", `{"name":"x","account":"acme"}`, "Cookie", cookie, "X-CSRF-Token", session["csrf"].(string)); status != 201 || made["account"] != "acme" {
		t.Errorf("created %d %v", status, made)
	}
}

// What the file says of the console wrongly is told before anything starts, and
// what a sidecar needs not is not asked for.
func TestConsoleTellsWhatItCannotStartWith(t *testing.T) {
	for config, want := range map[string]string{
		"console: {listen: '0.0.0.0:8789'}":                             `console.auth: without it the operator signs in by a link`,
		"console: {listen: 'unix:/tmp/x.sock'}":                         `console.auth: without it`,
		"console: {auth: {secret: env:SHORT}}":                          `console.auth.secret: it is 5 bytes long, HS256 needs 32`,
		"console: {auth: {secret: env:NONE}}":                           `console.auth.secret: the variable NONE is not set`,
		"console: {auth: {public_keys: env:SHORT}}":                     `console.auth.public_keys`,
		"console: {auth: {secret: 'plainly-written'}}":                  `secrets are not written into the configuration`,
		"console: {auth: {secret: env:LONG}}\ngateway: {key: env:NONE}": "",
	} {
		dir := t.TempDir()
		file := writeFile(t, filepath.Join(dir, "sidekey.yaml"), config+"\nstore: {local: {dir: "+dir+"/missing}}\n")
		var out, problems logBuffer
		a := newApp(strings.NewReader(""), &out, &problems)
		a.lookup = testEnv{"SHORT": "short", "LONG": strings.Repeat("x", 32)}.lookup
		status := a.run(t.Context(), []string{"console", "--config", file})
		if want == "" {
			want = "missing does not exist" // the store, and nothing before it
		}
		if status != 1 || !strings.Contains(problems.String(), want) {
			t.Errorf("%s: status %d, said %s\nwant %s", config, status, &problems, want)
		}
	}
	// The sidecar on the same file does not read the console's secrets.
	if _, problems := (testEnv{"KEY": "k"}).loader(configFile(t, "console: {auth: {secret: env:NONE}}\n")).loadAll(); len(problems) > 0 {
		t.Errorf("serve asks for the console's secret: %v", problems)
	}
}

// What is done at the command line stands in the trail as well, under the name
// of who did it there.
func TestCommandsLeaveATrail(t *testing.T) {
	r := prepare(t, testEnv{})
	file := writeFile(t, filepath.Join(t.TempDir(), "sidekey.yaml"), "store: {local: {dir: "+r.dir+"}}\n")
	run := func(stdin string, args ...string) {
		t.Helper()
		if status, _, problems := runWith(t, testEnv{"USER": "olga"}, stdin, append(args, "--config", file, "--chatbot", "shop")...); status != 0 || problems != "" {
			t.Fatalf("%v: status %d, %s", args, status, problems)
		}
	}
	run(ownerKey, "keys", "set", "--provider", "openai")
	run("", "byok", "off")
	run("key-of-endpoint", "byoi", "set", "--url", "https://llm.example.com/v1")
	run("", "byoi", "clear")
	run("", "keys", "delete", "--provider", "openai")
	var got []string
	r.owner(func(o *credstore.Owner) error {
		all, err := o.Changes(t.Context(), "shop", "", 0, 10)
		for _, c := range all {
			got = append(got, c.Actor+" "+c.Action+" "+c.Item)
		}
		return err
	})
	const by = "command line (olga) "
	if want := []string{by + "delete openai", by + "delete byoi", by + "set byoi", by + "switch off byok", by + "set openai"}; !slices.Equal(got, want) {
		t.Errorf("the trail is %q\nwant %q", got, want)
	}
}

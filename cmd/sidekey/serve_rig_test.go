package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

const ownerKey = "sk-proj-CANARY-openai-7f3a9bb2c4d5"

// A logBuffer collects what the program writes.
type logBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// A running is the whole program, serving in this process on free ports.
type running struct {
	t          *testing.T
	file, dir  string // configuration and store
	env        testEnv
	logs       logBuffer
	url, admin string
	status     chan int

	mu      sync.Mutex
	signals map[os.Signal][]chan<- os.Signal
}

// serve starts the program with the configuration and an empty store.
func serve(t *testing.T, config string, env testEnv, adjust ...func(*app)) *running {
	t.Helper()
	r := prepare(t, env)
	r.start(config, adjust...)
	return r
}

// prepare makes an empty store.
func prepare(t *testing.T, env testEnv) *running {
	t.Helper()
	r := &running{t: t, env: env, status: make(chan int, 1), signals: map[os.Signal][]chan<- os.Signal{}}
	r.dir = filepath.Join(t.TempDir(), "store")
	r.file = filepath.Join(t.TempDir(), "sidekey.yaml")
	r.owner(func(*credstore.Owner) error { return nil })
	return r
}

// start starts the program. It ends with the test.
func (r *running) start(config string, adjust ...func(*app)) {
	t, env := r.t, r.env
	t.Helper()
	r.write(config)
	a := newApp(strings.NewReader(""), io.Discard, &r.logs)
	a.lookup, a.environ, a.notify = env.lookup, env.environ, r.notify
	a.settle, a.poll = 20*time.Millisecond, time.Hour
	for _, f := range adjust {
		f(a)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.status <- a.run(ctx, []string{"serve", "--config", r.file}) }()
	t.Cleanup(func() {
		cancel()
		if len(r.status) == 0 {
			r.signal(os.Interrupt) // the second one: at once
			r.wait()
		}
		if strings.Contains(r.logs.String(), "CANARY") {
			t.Error("the log holds a secret")
		}
	})
	started := r.logged("serving")
	r.url, r.admin = "http://"+started["listen"].(string), "http://"+started["admin"].(string)
}

const someAddress = "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nlog: {format: json}\nstore: {local: {dir: %STORE}}\n"

func (r *running) write(config string) {
	r.t.Helper()
	temp := r.file + ".new"
	writeFile(r.t, temp, strings.ReplaceAll(someAddress+config, "%STORE", r.dir))
	if err := os.Rename(temp, r.file); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) notify(c chan<- os.Signal, signals ...os.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range signals {
		r.signals[s] = append(r.signals[s], c)
	}
}

func (r *running) signal(s os.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.signals[s] {
		select {
		case c <- s:
		default:
		}
	}
}

// wait returns the exit status.
func (r *running) wait() int {
	r.t.Helper()
	select {
	case status := <-r.status:
		r.status <- status // for whoever asks again
		return status
	case <-time.After(20 * time.Second):
		r.t.Fatal("the program did not end within 20 s")
		panic("unreachable")
	}
}

// eventually polls until ok, for at most 10 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// logged waits for the log line with the message.
func (r *running) logged(message string) (line map[string]any) {
	r.t.Helper()
	eventually(r.t, "log line "+message, func() bool {
		if len(r.status) > 0 {
			r.t.Fatalf("the program ended before the log line %q", message)
		}
		for text := range strings.Lines(r.logs.String()) {
			line = nil
			if json.Unmarshal([]byte(text), &line) == nil && line["message"] == message {
				return true
			}
		}
		return false
	})
	return line
}

// owner does something with the store, as another process would.
func (r *running) owner(do func(*credstore.Owner) error) {
	r.t.Helper()
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: r.dir, Create: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	if err := do(credstore.NewOwner(store.Backend())); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) setKey(chatbot string, slug provider.Slug, key string) {
	r.t.Helper()
	r.owner(func(o *credstore.Owner) error {
		_, err := o.Set(r.t.Context(), chatbot, slug, credstore.NewSecret([]byte(key)), credstore.SetOptions{})
		return err
	})
}

// call makes a request of the admin listener or the proxy.
func call(t *testing.T, method, url, body string, headers ...string) (status int, reply string) {
	t.Helper()
	status, reply, err := try(t.Context(), http.DefaultClient, method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return status, reply
}

func try(ctx context.Context, client *http.Client, method, url, body string, headers ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
		if pair[0] == "Host" {
			req.Host = pair[1]
		}
	}
	rep, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer rep.Body.Close()
	data, err := io.ReadAll(rep.Body)
	return rep.StatusCode, string(data), err
}

const chat = `{"model":"openai/gpt-5","messages":[{"role":"user","content":"hi"}]}`

func (r *running) chat() (status int, reply string) {
	r.t.Helper()
	return call(r.t, "POST", r.url+"/v1/chat/completions", chat, "Content-Type", "application/json", "Authorization", "Bearer caller")
}

// gateway is an upstream that answers with its name and whether the owner's
// key came with the request.
func gateway(t *testing.T, name string) string {
	t.Helper()
	return testServer(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		fmt.Fprintf(w, "%s owner=%v", name, bytes.Contains(body, []byte(ownerKey)))
	})
}

func testServer(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		// Close alone would wait for replies that nobody reads any more.
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

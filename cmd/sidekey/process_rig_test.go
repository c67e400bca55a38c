package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A process is sidekey serve as a process of its own, with real signals.
type process struct {
	*testing.T
	cmd        *exec.Cmd
	url, admin string
	logs       logBuffer
	status     chan int
}

// launch starts this test program as one; config must not name listeners, and
// env adds to this process's own. It ends with the test.
func launch(t *testing.T, config string, env ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{T: t, status: make(chan int, 1)}
	file := writeFile(t, filepath.Join(dir, "sidekey.yaml"), "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nlog: {format: json}\n"+config)
	p.cmd = exec.Command("sidekey", "serve", "--config", file)
	p.cmd.Dir, p.cmd.Stderr = dir, &p.logs
	p.cmd.Env = append(append(os.Environ(), "KEY="+canary), env...)
	p.begin()
	return p
}

// buildSidekey builds the program as a release is, and returns its path.
func buildSidekey(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "sidekey")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// begin starts the command and waits until it serves. It ends with the test.
func (p *process) begin() {
	t := p.T
	t.Helper()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		var exit *exec.ExitError
		err := p.cmd.Wait()
		if err != nil && !errors.As(err, &exit) {
			t.Errorf("wait: %v", err)
		}
		p.status <- p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.ended()
		if strings.Contains(p.logs.String(), "CANARY") {
			t.Error("the log holds a secret")
		}
	})
	eventually(t, "the process serves", p.serving)
}

// serving finds the log line that says where the process listens.
func (p *process) serving() bool {
	for text := range strings.Lines(p.logs.String()) {
		var line struct{ Message, Listen, Admin string }
		if json.Unmarshal([]byte(text), &line) == nil && line.Message == "serving" {
			p.url, p.admin = "http://"+line.Listen, "http://"+line.Admin
			return true
		}
	}
	if len(p.status) > 0 {
		p.Fatal("the process ended before it served")
	}
	return false
}

// ended waits for the process's end and returns its exit status.
func (p *process) ended() int {
	p.Helper()
	select {
	case status := <-p.status:
		p.status <- status
		return status
	case <-time.After(30 * time.Second):
		p.Fatal("the process did not end within 30 s")
		return -1
	}
}

func (p *process) term() time.Time {
	p.Helper()
	sent := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.Fatal(err)
	}
	return sent
}

func (p *process) ready() bool {
	status, _ := call(p.T, "GET", p.admin+"/readyz", "")
	return status == 200
}

// refuses waits until no new connection is accepted, and returns when.
func (p *process) refuses() time.Time {
	p.Helper()
	eventually(p.T, "new connections are refused", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	return time.Now()
}

// streams begins n streams, waits for the first event of each, and reads them
// to their ends in the background: how many were whole, and how many broke.
func (p *process) streams(n int) (whole, broken *atomic.Int64, wait func()) {
	p.Helper()
	whole, broken = new(atomic.Int64), new(atomic.Int64)
	client := &http.Client{Transport: &http.Transport{}}
	var begun, ended sync.WaitGroup
	begun.Add(n)
	for range n {
		ended.Go(func() {
			rep, err := client.Post(p.url+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"openai/gpt-5","stream":true}`))
			if err != nil {
				begun.Done()
				p.Errorf("a stream did not begin: %v", err)
				return
			}
			defer rep.Body.Close()
			io.ReadFull(rep.Body, make([]byte, len("data: one\n\n")))
			begun.Done()
			if rest, err := io.ReadAll(rep.Body); err == nil && string(rest) == "data: [DONE]\n\n" {
				whole.Add(1)
			} else if err != nil {
				broken.Add(1)
			}
		})
	}
	begun.Wait()
	p.Cleanup(client.CloseIdleConnections)
	return whole, broken, ended.Wait
}

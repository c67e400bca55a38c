package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"sync"
	"time"
)

// A Process is a target that was started here. It ends with Stop.
type Process struct {
	PID  int
	name string
	cmd  *exec.Cmd
	said tail
	done chan struct{} // closed when it has ended
	err  error
}

const (
	// readyTime is how long a target may take until it accepts connections.
	readyTime = 15 * time.Second
	// stopTime is how long it may take to end.
	stopTime = 5 * time.Second
)

// StartProcess runs a command line, as a shell reads it, on a set of CPUs, and
// waits until url accepts connections.
func StartProcess(ctx context.Context, name, line, url string, cpus CPUs) (*Process, error) {
	e, err := parseEndpoint(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of %s %w", name, err)
	}
	if c, err := net.Dial("tcp", e.addr); err == nil {
		c.Close()
		return nil, fmt.Errorf("%s is not started: something listens on %s already; stop that, or name it with --pid", name, e.addr)
	}
	p := &Process{name: name, done: make(chan struct{})}
	p.cmd = exec.Command("sh", "-c", line) // measured with its children, if the shell stays
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.WaitDelay = stopTime
	ownGroup(p.cmd)
	if err := startOn(p.cmd, cpus); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	p.PID = p.cmd.Process.Pid
	go func() { // ends with the process
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := p.ready(ctx, e.addr); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// ready waits until the address accepts connections.
func (p *Process) ready(ctx context.Context, addr string) error {
	late := time.NewTimer(readyTime)
	defer late.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		var d net.Dialer
		if c, err := d.DialContext(ctx, "tcp", addr); err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it listened on %s (%v); it said:\n%s", p.name, addr, p.err, p.said.String())
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("%s does not listen on %s after %v; it said:\n%s", p.name, addr, readyTime, p.said.String())
		case <-poll.C:
		}
	}
}

// Stop ends the process and all that it started, and waits for it.
func (p *Process) Stop() {
	stopGroup(p.cmd, false)
	select {
	case <-p.done:
	case <-time.After(stopTime):
	}
	stopGroup(p.cmd, true) // also what it may have left behind
	<-p.done
}

// A tail keeps the end of what a process says.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// tailBytes is how much is kept.
const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if over := t.buf.Len() - tailBytes; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A Process is a target that was started here. It ends with Stop.
type Process struct {
	PID   int
	child *peerProcess
	dir   string // for what it prints
}

// StartProcess runs a command line, as a shell reads it, on a set of CPUs, and
// waits until url accepts connections.
func StartProcess(ctx context.Context, name, line, url string, cpus CPUs) (_ *Process, err error) {
	e, err := parseEndpoint(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of %s %w", name, err)
	}
	if c, err := net.Dial("tcp", e.addr); err == nil {
		c.Close()
		return nil, fmt.Errorf("%s is not started: something listens on %s already; stop that, or name it with --pid", name, e.addr)
	}
	p := &Process{}
	if p.dir, err = os.MkdirTemp("", "sidekey-bench-"); err != nil {
		return nil, err
	}
	// The shell may stay; it is measured with its children.
	p.child, err = startProcess(peerCommand{Name: name, Args: []string{"sh", "-c", line}, Output: filepath.Join(p.dir, "output"), CPUs: cpus})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	p.PID = p.child.pid()
	if err := p.child.await(ctx, e.addr); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), p.Stop())
	}
	return p, nil
}

// Stop ends the process and all that it started, and waits for it.
func (p *Process) Stop() error { return errors.Join(p.child.stop(), os.RemoveAll(p.dir)) }

// await returns when the process accepts connections.
func (p *peerProcess) await(ctx context.Context, addr string) error {
	late := time.NewTimer(startTime)
	defer late.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return c.Close()
		}
		select {
		case <-p.exited():
			return fmt.Errorf("it ended at once; %s", p.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("it did not accept connections on %s within %v; %s", addr, startTime, p.tail())
		case <-again.C:
		}
	}
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

// A runningPeer is a peer that accepts connections. stop must be called.
type runningPeer struct {
	*Peer
	site
	child *peerProcess
}

// start starts the peer in front of an upstream, host:port, which speaks TLS if
// secure.
func (p *Peer) start(ctx context.Context, y *yard, upstream string, secure bool) (_ *runningPeer, err error) {
	r := &runningPeer{Peer: p, site: site{Upstream: upstream, CA: y.trust(secure), Workers: y.workers}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", p.Name, err), r.stop())
		}
	}()
	if r.Dir, err = os.MkdirTemp("", "sidekey-bench-"+p.Name+"-"); err != nil {
		return nil, err
	}
	// nginx's workers give up root, and go into the folder.
	if err = os.Chmod(r.Dir, 0o711); err != nil {
		return nil, err
	}
	if r.Listen, r.Admin, err = freeAddresses(y.host); err != nil {
		return nil, err
	}
	if err = p.fill(r.site); err != nil {
		return nil, err
	}
	if p.prepare != nil {
		if err = p.prepare(ctx, r.site); err != nil {
			return nil, err
		}
	}
	if r.child, err = startProcess(peerCommand{Name: p.Name, Args: p.command(r.site), Dir: r.Dir, Env: p.environment(r.site), CPUs: y.cpus}); err != nil {
		return nil, err
	}
	return r, r.child.await(ctx, r.Listen)
}

// environment is the same for all runs: what is set where bench was started,
// such as GOGC, NODE_OPTIONS or SIDEKEY_…, would change what is measured.
func (p *Peer) environment(s site) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "TMPDIR=" + s.Dir}
	if p.env != nil {
		env = append(env, p.env(s)...)
	}
	return env
}

// freeAddresses are free at the moment, which is as good as it gets for
// programs that cannot be handed a socket.
func freeAddresses(host string) (first, second string, err error) {
	a, err := net.Listen("tcp", host+":0")
	if err != nil {
		return "", "", err
	}
	defer a.Close()
	b, err := net.Listen("tcp", host+":0")
	if err != nil {
		return "", "", err
	}
	defer b.Close()
	return a.Addr().String(), b.Addr().String(), nil
}

// stop ends the peer and removes its folder. It may be called again.
func (r *runningPeer) stop() (err error) {
	if r.child != nil {
		err = r.child.stop()
	}
	if r.Dir != "" {
		err = errors.Join(err, os.RemoveAll(r.Dir))
	}
	return err
}

package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Listener wraps what it accepts into *Conn.
type Listener struct {
	net.Listener
	cfg       *tls.Config
	watch     watcher
	loops     loops
	halfClose atomic.Bool
}

// AllowHalfClose decides about connections that are accepted from now on: may
// the client close its sending half (TCP lets it, RFC 9293 section 3.6) and still
// wait for its reply? If not, which is the default, such a client counts as
// gone, because a client that has left looks the same until something is
// written to it.
func (l *Listener) AllowHalfClose(allow bool) { l.halfClose.Store(allow) }

// Close stops accepting. Connections stay, and stay watched.
func (l *Listener) Close() error {
	err := l.Listener.Close()
	l.watch.end()
	l.loops.end()
	return err
}

// WrapListener wraps a listener of raw connections.
func WrapListener(ln net.Listener) *Listener { return &Listener{Listener: ln} }

// WrapTLSListener wraps a listener of raw connections and speaks TLS on them.
// It must be used instead of tls.NewListener: the deadlines have to sit below
// TLS. The handshake runs with the first read, under the server's
// HeadTimeout.
func WrapTLSListener(ln net.Listener, cfg *tls.Config) *Listener {
	return &Listener{Listener: ln, cfg: cfg}
}

// Accept returns the next connection as a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		if errors.Is(err, net.ErrClosed) {
			l.watch.end() // whoever closed it closed what is below
			l.loops.end()
		}
		return nil, err
	}
	c := newConn(nc, l.cfg)
	c.watch, c.loops, c.halfClose = &l.watch, &l.loops, l.halfClose.Load()
	return c, nil
}

// Listen listens on host:port, or on unix:/path. A unix socket is made with
// mode 0660, so that its group decides who may connect. Anything at the path
// that is not a socket, or a socket somebody answers on, is left alone and is
// an error.
func Listen(addr string) (net.Listener, error) {
	path, ok := strings.CutPrefix(addr, "unix:")
	if !ok {
		return net.Listen("tcp", addr)
	}
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("listen address %q: the path of a unix socket must be absolute", addr)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	return listenUnix(path)
}

// removeStale removes a socket that a dead process left behind.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket: remove it or choose another path", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s is in use: another process answers on it", path)
	}
	// Only a refused connection proves that nobody listens.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s may be in use: %w", path, err)
	}
	return os.Remove(path)
}

// listenUnix binds inside a fresh 0700 directory beside the path and moves the
// socket into place when its mode is set: a socket is connectable from bind on,
// and the umask belongs to the whole process.
func listenUnix(path string) (net.Listener, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, fmt.Errorf("prepare unix socket: %w", err)
	}
	defer os.RemoveAll(dir)
	tmp := filepath.Join(dir, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on unix socket: %w", err)
	}
	ln.SetUnlinkOnClose(false)
	if err := os.Chmod(tmp, 0o660); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, errors.Join(fmt.Errorf("put unix socket in place: %w", err), ln.Close())
	}
	return &unixListener{UnixListener: ln, path: path}, nil
}

// unixListener removes its socket when closed, if it is still its own.
type unixListener struct {
	*net.UnixListener
	path string
}

// Close stops listening and removes the socket.
func (l *unixListener) Close() error {
	err := l.UnixListener.Close()
	// Nobody answers on our own socket any more; a successor's is left alone.
	_ = removeStale(l.path)
	return err
}

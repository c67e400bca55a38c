package proxy

import (
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/sidekey/sidekey/proxy/wire"
)

// A front is one server. What it was made with cannot be changed while it
// serves, so a reload that changes such a setting makes another front for the
// connections that come from then on; the old one serves those it has to their
// end.
type front struct {
	options frontOptions
	server  *wire.Server
}

// frontOptions are the settings that a front is made with.
type frontOptions struct {
	header                 int
	head, body, idle, send time.Duration
}

func (c *Config) frontOptions() frontOptions {
	t := &c.Timeouts
	return frontOptions{c.Limits.Header, t.ClientHeader, t.ClientBody, t.ClientIdle, t.Idle}
}

func (h *Handler) newFront(o frontOptions) *front {
	return &front{options: o, server: wire.NewServer(h.handle, wire.ServerOptions{
		MaxHead: o.header, HeadTimeout: o.head, BodyTimeout: o.body, IdleTimeout: o.idle, WriteTimeout: o.send,
		Error: h.unreadable, Expect: h.expect,
	})}
}

// Serve accepts connections from ln until Shutdown, and closes ln. It returns
// nil after a Shutdown. A listener that speaks TLS must come from
// wire.WrapTLSListener.
func (h *Handler) Serve(ln net.Listener) error {
	wrapped, ok := ln.(*wire.Listener)
	if !ok {
		wrapped = wire.WrapListener(ln)
	}
	h.reload.Lock()
	h.listener = wrapped
	h.snap.Load().limits.admitTo(wrapped)
	h.snap.Load().gateway.transport.KeepWarm(h.config.Gateway.Warm)
	closed := h.ending.Load()
	h.reload.Unlock()
	if closed {
		return wrapped.Close()
	}
	for pause := time.Duration(0); ; {
		c, err := wrapped.Accept()
		switch {
		case err == nil:
			pause = 0
			h.admit(c.(*wire.Conn))
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.Is(err, syscall.ECONNABORTED):
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			// As net/http does: the limit may ease, and a listener that gives up
			// never would.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			h.log.Error().Dur("pause_ms", pause).Str("remedy", "raise the limit of open files (LimitNOFILE, ulimit -n), or lower limits.connections").
				Msg("no file descriptor for another connection")
			time.Sleep(pause)
		default:
			return err
		}
	}
}

// admit hands a connection to the front in force, or refuses it.
func (h *Handler) admit(c *wire.Conn) {
	if !h.conns.admit(c, h.snap.Load().limits.Connections) {
		h.overflow(c)
		return
	}
	if h.ending.Load() {
		c.Close()
		return
	}
	h.front.Load().server.Take(c)
}

// closeFronts forgets what no longer serves anybody. It is called with reload
// held.
func (h *Handler) closeFronts() {
	kept := h.old[:0]
	for _, f := range h.old {
		if f.server.Open() > 0 {
			kept = append(kept, f)
		}
	}
	clear(h.old[len(kept):])
	h.old = kept
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/sidekey/sidekey/sandbox"
)

// A demoWorld is everything that the demo needs, wired as serve wires it.
type demoWorld struct {
	dir        string
	gateway    *sandbox.Gateway
	server     *sandbox.Server
	gatewayURL string

	store   *credstore.Local
	owner   *credstore.Owner
	cache   *credstore.Cache
	handler *proxy.Handler
	url     string
	log     demoLog

	secret []byte // signs the demo's tokens
	stop   context.CancelFunc
	served chan error
}

func newDemoWorld() (w *demoWorld, err error) {
	w = &demoWorld{secret: make([]byte, 32), served: make(chan error, 1), log: make(demoLog, 64)}
	rand.Read(w.secret)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "sidekey-demo-"); err != nil {
		return w, err
	}
	if w.gateway, err = sandbox.NewGateway(sandbox.DemoConfig()); err != nil {
		return w, err
	}
	if w.server, err = w.gateway.Start("127.0.0.1:0"); err != nil {
		return w, err
	}
	w.gatewayURL = w.server.URL()
	return w, w.startSidecar()
}

func (w *demoWorld) startSidecar() (err error) {
	if w.store, err = credstore.OpenLocal(credstore.LocalConfig{Dir: filepath.Join(w.dir, "keys"), Create: true}); err != nil {
		return err
	}
	w.owner = credstore.NewOwner(w.store.Backend())
	if w.cache, err = credstore.NewCache(w.store.Backend(), credstore.CacheConfig{}); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.store.Watch(ctx, func(changed []string) {
		for _, chatbot := range changed {
			w.cache.Invalidate(chatbot)
		}
	})
	cfg, _ := compile(&loaded{Config: DefaultConfig()}) // incomplete by itself: the rest follows
	cfg.Identity = proxy.IdentityConfig{Mode: proxy.ModeToken, TokenSecret: credstore.NewSecret(w.secret)}
	cfg.Gateway.URL = w.gatewayURL
	cfg.Gateway.Key = credstore.NewSecret([]byte(sandbox.DemoGatewayKey))
	if w.handler, err = proxy.New(cfg, w.cache, zerolog.New(w.log)); err != nil {
		return err
	}
	ln, err := wire.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	w.url = "http://" + ln.Addr().String()
	go func() { w.served <- w.handler.Serve(ln) }() // ends with Shutdown
	return nil
}

// token makes the token by which a chatbot of an account identifies itself.
func (w *demoWorld) token(chatbot, account string) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": chatbot, "acct": account, "exp": time.Now().Add(24 * time.Hour).Unix(),
	}).SignedString(w.secret)
}

// close ends everything in the order in which it depends on each other, and
// removes what was written.
func (w *demoWorld) close() (err error) {
	if w.handler != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = w.handler.Shutdown(ctx)
		if w.url != "" {
			err = errors.Join(err, <-w.served)
		}
	}
	if w.stop != nil {
		w.stop()
	}
	if w.cache != nil {
		w.cache.Close()
	}
	if w.store != nil {
		err = errors.Join(err, w.store.Close())
	}
	if w.server != nil {
		err = errors.Join(err, w.server.Close())
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

// A demoLog takes the sidecar's log lines, one for each write.
type demoLog chan []byte

func (l demoLog) Write(line []byte) (int, error) {
	select {
	case l <- append([]byte(nil), line...):
		return len(line), nil
	default:
		return 0, fmt.Errorf("%d log lines are waiting", len(l))
	}
}

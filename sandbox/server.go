package sandbox

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Server is a stand-in on a real listener.
type Server struct {
	url  string
	http *http.Server
	done chan struct{} // closed when the serving goroutine has ended
}

// Start serves on addr ("127.0.0.1:0" picks a free port) until Close.
func (g *Gateway) Start(addr string) (*Server, error) { return start(g, addr, nil) }

// StartTLS is Start over TLS, HTTP/1.1 only. The config must hold a certificate.
func (g *Gateway) StartTLS(addr string, config *tls.Config) (*Server, error) {
	if config == nil || (len(config.Certificates) == 0 && config.GetCertificate == nil) {
		return nil, errors.New("sandbox: StartTLS needs a certificate")
	}
	return start(g, addr, config)
}

// start serves any of the stand-ins; a nil config means without TLS.
func start(h http.Handler, addr string, config *tls.Config) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("sandbox: listen: %w", err)
	}
	s := &Server{url: "http://" + l.Addr().String(), done: make(chan struct{})}
	if config != nil {
		l, s.url = tls.NewListener(l, config), "https://"+l.Addr().String()
	}
	s.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // a dropped connection is often the point here
	}
	go func() {
		defer close(s.done)
		s.http.Serve(l) // ends when Close closes the listener
	}()
	return s, nil
}

// URL is the base, such as "http://127.0.0.1:41234".
func (s *Server) URL() string { return s.url }

// Close drops the listener and all connections, and waits for the accept loop.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

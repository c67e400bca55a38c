// Command httputil is the standard library's reverse proxy with one header set,
// as a floor for what a proxy in Go costs without any care. bench builds it.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

func main() {
	listen := flag.String("listen", "", "address to listen on")
	upstream := flag.String("upstream", "", "URL of the upstream")
	authority := flag.String("ca", "", "PEM file of the authority that vouches for it")
	authorization := flag.String("authorization", "", "value of the header to set")
	flag.Parse()
	if err := serve(*listen, *upstream, *authority, *authorization); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, upstream, authority, authorization string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	t := &http.Transport{
		MaxIdleConnsPerHost: 8192,        // 2 by default: it would connect anew for almost each request
		IdleConnTimeout:     time.Hour,   // longer than the pause while the others have their turn
		DisableCompression:  true,        // it would ask for it where the client does not
		TLSHandshakeTimeout: time.Minute, // as nginx by default: it takes its time when 5000 streams begin at once
	}
	if authority != "" {
		pem, err := os.ReadFile(authority)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		t.TLSClientConfig = &tls.Config{
			RootCAs:            roots,                           // who answers is verified
			ServerName:         "localhost",                     // under this name, as with the others
			ClientSessionCache: tls.NewLRUClientSessionCache(0), // none by default: sessions are resumed, as with the others
		}
	}
	proxy := &httputil.ReverseProxy{
		Transport:     t,
		FlushInterval: -1,                         // whatever comes is passed on at once
		BufferPool:    &buffers{},                 // none by default: 32 KiB of garbage for each reply
		ErrorLog:      log.New(io.Discard, "", 0), // the bench counts errors
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Authorization", authorization) // the one header
		},
	}
	// No time-outs: a stream may be silent while a model thinks.
	return (&http.Server{Addr: listen, Handler: proxy}).ListenAndServe()
}

// buffers are what replies are copied through.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

package proxy

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// A soakGateway is the stand-in gateway on two listeners, which repeats a
// request's id in its reply and breaks things.
type soakGateway struct {
	s              *soak
	box            *sandbox.Gateway
	plain, overTLS *httptest.Server
	ca             []byte
}

const (
	soakID  = "X-Soak-Id"
	soakSum = "X-Soak-Sum"
)

func newSoakGateway(s *soak) *soakGateway {
	g := &soakGateway{s: s}
	var err error
	g.box, err = sandbox.NewGateway(sandbox.Config{
		GatewayKeys: []string{gatewayCanary, fuseCanary}, Observe: g.observe, Fault: g.fault, Timeout: s.patience() + time.Second,
		Tokens: 60, TokenInterval: 300 * time.Microsecond,
	})
	must(s.t, err)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(soakID, r.Header.Get(soakID))
		g.box.ServeHTTP(w, r)
	})
	quiet := log.New(io.Discard, "", 0)
	g.plain, g.overTLS = httptest.NewUnstartedServer(echo), httptest.NewUnstartedServer(echo)
	g.plain.Config.ErrorLog, g.overTLS.Config.ErrorLog = quiet, quiet
	g.plain.Start()
	g.overTLS.StartTLS()
	g.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.overTLS.Certificate().Raw})
	return g
}

func (g *soakGateway) close() {
	for _, srv := range []*httptest.Server{g.plain, g.overTLS} {
		srv.CloseClientConnections()
		srv.Close()
	}
}

// observe judges each request as it arrived.
func (g *soakGateway) observe(seen sandbox.Seen) {
	s := g.s
	c := s.book.find(seen.Header.Get(soakID))
	switch {
	case c == nil:
		s.problem("a request that nobody made arrived")
		return
	case c.seen.Swap(true):
		s.problem("%s was sent twice", c.id)
		return
	case seen.Err != nil: // a cut upload, and known as one
		s.add("upload cut at the gateway")
		return
	}
	s.add("arrived whole")
	for name, values := range seen.Header {
		if strings.Contains(strings.Join(values, " "), c.tenant.token) {
			s.problem("%s: the caller's token went upstream in %s", c.id, name)
		}
	}
	if got := seen.Header.Get("Authorization"); got != "Bearer "+gatewayCanary && got != "Bearer "+fuseCanary {
		s.problem("%s: the gateway's credential is not the configured one", c.id)
	}
	var body struct {
		ID      string `json:"soak_id"`
		Options struct {
			Gateway struct {
				BYOK map[string][]map[string]string
				Only []string
			}
		} `json:"providerOptions"`
	}
	if err := json.Unmarshal(seen.Body, &body); err != nil || body.ID != c.id {
		s.problem("%s: a body arrived that is not the one that was sent", c.id)
		return
	}
	o := body.Options.Gateway
	if c.key == nil {
		s.add("paid by the platform")
		if len(o.BYOK) != 0 || len(o.Only) != 0 {
			s.problem("%s: a call without an owner's key carries one", c.id)
		}
		return
	}
	s.add("paid by the owner")
	creds := o.BYOK[string(c.slug)]
	if len(o.BYOK) != 1 || len(creds) != 1 || len(o.Only) != 1 || o.Only[0] != string(c.slug) {
		s.problem("%s: an owner's call is not pinned to the owner's key", c.id)
		return
	}
	for gen := c.oldest; gen <= c.key.begun.Load(); gen++ {
		if creds[0]["apiKey"] == c.tenant.key(c.slug, gen) {
			return
		}
	}
	s.problem("%s: the key is not one of its tenant that was in force", c.id)
}

// fault makes every sixth call go wrong.
func (g *soakGateway) fault(r *http.Request, n int) sandbox.Fault {
	c := g.s.book.find(r.Header.Get(soakID))
	if c == nil || rand.IntN(6) != 0 {
		return sandbox.Fault{}
	}
	kinds := []sandbox.FaultKind{
		sandbox.FaultDrop, sandbox.FaultCutHead, sandbox.FaultGarbage, sandbox.FaultRefuse, sandbox.FaultReply, sandbox.FaultReply,
		sandbox.FaultCut, sandbox.FaultCut, sandbox.FaultStreamError,
	}
	f := &sandbox.Fault{
		Kind: kinds[rand.IntN(len(kinds))], Reset: rand.IntN(2) == 0, Inside: rand.IntN(2) == 0, After: rand.IntN(30),
	}
	if rand.IntN(40) == 0 {
		f.Kind = [...]sandbox.FaultKind{sandbox.FaultHang, sandbox.FaultStall}[rand.IntN(2)]
	}
	switch f.Kind {
	case sandbox.FaultRefuse:
		f.Status = [...]int{400, 401, 413, 429, 500, 503}[rand.IntN(6)]
	case sandbox.FaultReply:
		f.Body = bytes.Repeat([]byte(c.id+" "), 1+rand.IntN(1<<rand.IntN(17)))
		f.Header = http.Header{soakSum: {fmt.Sprint(crc32.ChecksumIEEE(f.Body))}, "Content-Type": {"text/plain"}}
		if rand.IntN(2) == 0 {
			f.Header.Set("Content-Length", fmt.Sprint(len(f.Body)))
		}
	}
	c.fault.Store(&sandbox.Fault{Kind: f.Kind, Status: f.Status}) // not the body: it is kept for long
	g.s.add("fault " + soakFaults[f.Kind])
	return *f
}

var soakFaults = map[sandbox.FaultKind]string{
	sandbox.FaultDrop: "drop", sandbox.FaultCutHead: "head cut", sandbox.FaultGarbage: "garbage", sandbox.FaultHang: "hang",
	sandbox.FaultRefuse: "refusal", sandbox.FaultReply: "sized reply", sandbox.FaultCut: "body cut", sandbox.FaultStall: "stall",
	sandbox.FaultStreamError: "error event",
}

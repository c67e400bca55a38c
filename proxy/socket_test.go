package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox"
)

// The caller's token is taken from where it stands, and in its place the
// gateway's key goes on. What else the client offers stays, in its order.
func TestSocketTokenIsReplaced(t *testing.T) {
	g := newSocketGateway(t, false)
	w := g.through(t, func(c *Config) { tokenMode(c, nil) })
	w.keep("shop", "cohere", cohereCanary) // another provider's: the call is the platform's
	token := w.token(jwt.MapClaims{"sub": "shop", "acct": "acme", "exp": inAnHour()})
	other := w.token(jwt.MapClaims{"sub": "shop", "acct": "acme", "exp": inAnHour() + 1})
	inProtocol := []string{"first.v0", authProtocol + token, realtime, teamProtocol + "dGVhbQ", openaiKeyProtocol + callerCanary}
	for _, c := range []struct {
		name      string
		protocols []string
		headers   []string
		want      string // offered upstream; "" for 401
	}{
		{"subprotocol", inProtocol, nil, "first.v0, ai-gateway-auth." + gatewayCanary + ", " + realtime},
		{"header", []string{realtime}, []string{"Authorization: Bearer " + token}, realtime},
		{"both", inProtocol, []string{"Authorization: Bearer " + token}, "first.v0, ai-gateway-auth." + gatewayCanary + ", " + realtime},
		{"two different ones", inProtocol, []string{"Authorization: Bearer " + other}, ""},
		{"two subprotocols", []string{authProtocol + token, realtime, authProtocol + token}, nil, ""},
		{"none", []string{realtime}, nil, ""},
		{"empty", []string{realtime, authProtocol}, nil, ""},
		{"wrong", []string{realtime, authProtocol + callerCanary}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, resp, err := w.dial(realtimePath, c.protocols, c.headers...)
			seen := g.handshakes()
			if c.want == "" {
				if err == nil || resp == nil || resp.StatusCode != 401 || resp.Header.Get("x-sidekey-error") != "unauthorized" || len(seen) != 0 {
					t.Fatal("not refused with 401, or the gateway was asked")
				}
				return
			}
			must(t, err)
			defer conn.CloseNow()
			if conn.Subprotocol() != realtime || resp.Header.Get("x-sidekey-credential") != "system" || resp.Header.Get("x-sidekey-provider") != "openai" {
				t.Errorf("got subprotocol %q and credential %q", conn.Subprotocol(), resp.Header.Get("x-sidekey-credential"))
			}
			r := seen[0]
			if r.Header.Get(protocolHeader) != c.want {
				t.Error("the subprotocols offered upstream differ")
			}
			if r.Header.Get("Authorization") != "Bearer "+gatewayCanary || r.RequestURI != realtimePath {
				t.Error("key or target differs")
			}
			if all := fmt.Sprint(r.Header, r.RequestURI); strings.Contains(all, token) || strings.Contains(all, callerCanary) {
				t.Error("the caller's credential went upstream")
			}
		})
	}
	if strings.Contains(w.log.String(), "CANARY") {
		t.Error("a key is in the log")
	}
}

// Who brings the gateway's credential along keeps it, wherever it stands.
func TestSocketCredentialIsForwarded(t *testing.T) {
	g := newSocketGateway(t, false)
	w := g.through(t, func(c *Config) { c.Gateway.Key = credstore.Secret{} })
	protocols := []string{authProtocol + callerCanary, realtime, teamProtocol + "dGVhbQ"}
	conn, _, err := w.dial(realtimePath, protocols, "Authorization: Bearer "+callerCanary)
	must(t, err)
	defer conn.CloseNow()
	r := g.handshakes()[0]
	if r.Header.Get("Authorization") != "Bearer "+callerCanary || r.Header.Get(protocolHeader) != strings.Join(protocols, ",") {
		t.Error("the caller's own credential did not arrive as it was")
	}
}

// A gateway of the header dialect looks for no key among the subprotocols.
func TestSocketInTheHeaderDialect(t *testing.T) {
	g := newSocketGateway(t, false)
	w := g.through(t, func(c *Config) { c.Gateway.Dialect, c.Gateway.AuthHeader = DialectHeader, "cf-aig-authorization" })
	conn, _, err := w.dial(realtimePath, []string{authProtocol + callerCanary, realtime}, "Authorization: Bearer "+callerCanary)
	must(t, err)
	defer conn.CloseNow()
	r := g.handshakes()[0]
	if r.Header.Get("cf-aig-authorization") != "Bearer "+gatewayCanary || r.Header.Get("Authorization") != "" || r.Header.Get(protocolHeader) != realtime {
		t.Error("the credentials on the handshake are not the gateway's alone")
	}
}

// On other requests the subprotocols are nothing but a place for a token.
func TestSubprotocolsStayBehindWithoutAHandshake(t *testing.T) {
	w := newWorld(t, nil)
	w.do("POST", "/v1/chat/completions", chatBody, protocolHeader+": "+authProtocol+callerCanary)
	if seen := w.arrived(); len(seen) != 1 || seen[0].Header.Get(protocolHeader) != "" {
		t.Error("the subprotocols went upstream")
	}
}

// A gateway that selects the credential as the subprotocol, or names it in a
// refusal, shows our key to nobody.
func TestSocketKeyIsNotEchoed(t *testing.T) {
	for status, echo := range map[string]int{"101 Switching Protocols": 502, "400 Bad Request": 400} {
		up := listen(t, func(conn net.Conn) {
			if r := readRequest(conn); r != nil {
				offered := strings.Split(r.Header.Get(protocolHeader), ", ")
				fmt.Fprintf(conn, "HTTP/1.1 %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"+
					"Sec-WebSocket-Protocol: %s\r\nContent-Length: 0\r\n\r\n", status, offered[len(offered)-1])
			}
		})
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
		reply := w.raw("GET " + realtimePath + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(handshake, "\r\n") +
			"\r\nSec-WebSocket-Protocol: " + realtime + "," + authProtocol + "mine\r\n\r\n")
		if !strings.HasPrefix(reply, fmt.Sprintf("HTTP/1.1 %d ", echo)) || strings.Contains(reply, "CANARY") || strings.Contains(strings.ToLower(reply), "sec-websocket-protocol") {
			t.Errorf("%s: not answered with %d, or with the key in it", status, echo)
		}
		waitFor(t, func() bool {
			return w.handler.InFlight() == 0 && w.handler.snap.Load().gateway.transport.Stats().Open == 0
		})
	}
}

// A gateway that does not switch is relayed like any other reply.
func TestSocketRefusalsAreRelayed(t *testing.T) {
	for _, status := range []int{200, 401, 403, 404, 429, 500} {
		body := fmt.Sprintf(`{"error":{"message":"no %d"}}`, status)
		up := listen(t, func(conn net.Conn) {
			if readRequest(conn) != nil {
				fmt.Fprintf(conn, "HTTP/1.1 %d Whatever\r\nX-Reason: r\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
			}
		})
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
		a := w.do("GET", realtimePath, "", handshake...)
		if a.status != status || a.body != body || a.header.Get("X-Reason") != "r" || a.header.Get("x-sidekey-credential") != "system" {
			t.Errorf("got %d, want %d as the gateway sent it", a.status, status)
		}
		if s := w.handler.snap.Load().gateway.transport.Stats(); s.Idle != 0 {
			t.Error("the connection of a handshake was kept for other requests")
		}
	}
}

// A handshake that is none in one reading is refused, and nobody upstream sees
// a byte of it.
func TestMalformedHandshakesAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	without := func(name string) []string {
		return slices.DeleteFunc(slices.Clone(handshake), func(h string) bool { return strings.HasPrefix(h, name) })
	}
	for name, c := range map[string]struct {
		line    string
		headers []string
	}{
		"POST":           {"POST /v1/responses HTTP/1.1", handshake},
		"HTTP/1.0":       {"GET /v1/responses HTTP/1.0", handshake},
		"no key":         {"GET /v1/responses HTTP/1.1", without("Sec-WebSocket-Key")},
		"no version":     {"GET /v1/responses HTTP/1.1", without("Sec-WebSocket-Version")},
		"not listed":     {"GET /v1/responses HTTP/1.1", without("Connection")},
		"two keys":       {"GET /v1/responses HTTP/1.1", append(slices.Clone(handshake), handshake[3])},
		"two upgrades":   {"GET /v1/responses HTTP/1.1", append(slices.Clone(handshake), "upgrade: h2c")},
		"short key":      {"GET /v1/responses HTTP/1.1", append(without("Sec-WebSocket-Key"), "Sec-WebSocket-Key: AAAA")},
		"odd version":    {"GET /v1/responses HTTP/1.1", append(without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 13, 8")},
		"a body":         {"GET /v1/responses HTTP/1.1", append(slices.Clone(handshake), "Content-Length: 5\r\n\r\nhello")},
		"an empty body":  {"GET /v1/responses HTTP/1.1", append(slices.Clone(handshake), "Content-Length: 0")},
		"a chunked body": {"GET /v1/responses HTTP/1.1", append(slices.Clone(handshake), "Transfer-Encoding: chunked")},
		"an expectation": {"GET /v1/responses HTTP/1.1", append(slices.Clone(handshake), "Expect: 100-continue")},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		_, err = io.WriteString(conn, c.line+"\r\nHost: x\r\n"+strings.Join(c.headers, "\r\n")+"\r\n\r\n")
		must(t, err)
		must(t, conn.(*net.TCPConn).CloseWrite())
		reply, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.HasPrefix(string(reply), "HTTP/1.1 400 ") {
			t.Errorf("%s: not refused with 400", name)
		}
	}
	if seen := w.arrived(); len(seen) != 0 {
		t.Errorf("%d requests went upstream", len(seen))
	}
}

// An Upgrade to something else is no reason to refuse a request: it is left
// out (RFC 9110 section 7.8 lets a server ignore it).
func TestOtherUpgradesAreIgnored(t *testing.T) {
	w := newWorld(t, nil)
	a := w.do("POST", "/v1/chat/completions", chatBody, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
	if seen := w.arrived(); a.status != http.StatusOK || len(seen) != 1 || seen[0].Header.Get("Upgrade") != "" {
		t.Errorf("got %d, want 200 without the Upgrade", a.status)
	}
}

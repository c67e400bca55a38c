package proxy

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// ownersReply is a reply of the usual size, paid by the owner.
func ownersReply() string {
	body := `{"id":"gen_1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("word ", 100) +
		`","provider_metadata":` + routing(false, "openai byok ok") + `},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// cannedUpstream answers every request on a connection with the same bytes.
func cannedUpstream(t testing.TB, reply string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	answer := []byte(reply)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { // ends when the sidecar closes the connection
				defer conn.Close()
				buf := make([]byte, 64<<10)
				for {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkJudgeEvent is what the guard costs for one event of a stream, 200
// bytes, and with the metadata in it.
func BenchmarkJudgeEvent(b *testing.B) {
	event := []byte(`data: {"id":"gen_01","object":"chat.completion.chunk","created":1795000000,"model":"openai/gpt-5.4-mini",` +
		`"choices":[{"index":0,"delta":{"content":" seven letters"},"finish_reason":null,"logprobs":null}]}` + "\n\n")
	last := []byte(`data: {"choices":[{"delta":{"provider_metadata":` + routing(false, "openai byok ok") + `}}]}` + "\n\n")
	for name, e := range map[string][]byte{fmt.Sprintf("%d bytes", len(event)): event, "metadata": last} {
		b.Run(name, func(b *testing.B) {
			var j judge
			j.begin(formEvents)
			b.SetBytes(int64(len(e)))
			b.ReportAllocs()
			for b.Loop() {
				j.feed(e)
			}
		})
	}
}

// BenchmarkJudgeReply is the same for whole replies.
func BenchmarkJudgeReply(b *testing.B) {
	_, reply, _ := strings.Cut(ownersReply(), "\r\n\r\n")
	vector := `{"data":[{"embedding":[` + strings.Repeat("-0.012345678,", 1535) + `0.1]}],"providerMetadata":` + routing(false, "openai byok ok") + `}`
	code := `{"choices":[{"message":{"content":"` + strings.Repeat(`\tif err != nil {\n\t\treturn \"x\"\n\t}\n`, 500) + `","provider_metadata":` + routing(false, "openai byok ok") + `}}]}`
	for _, r := range []struct{ name, body string }{{"usual", reply}, {"gateway", string(gatewayReply)}, {"embedding", vector}, {"escapes", code}} {
		b.Run(fmt.Sprintf("%s, %d bytes", r.name, len(r.body)), func(b *testing.B) {
			body := []byte(r.body)
			var j judge
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				j.begin(formJSON)
				j.feed(body)
				if j.end(); !j.found.owner {
					b.Fatal("not judged")
				}
			}
		})
	}
}

// BenchmarkGuard is an owner's whole call over loopback in each mode: 2 KB in, 1.2 KB out, and a stream of
// 100 events.
func BenchmarkGuard(b *testing.B) {
	event := `data: {"choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", 140) + `"},"finish_reason":null}]}` + "\n\n"
	stream := strings.Repeat(event, 100) + `data: {"choices":[{"delta":{"provider_metadata":` + routing(false, "openai byok ok") + `}}]}` + "\n\n"
	for _, r := range []struct{ name, reply string }{
		{"unary", ownersReply()},
		{"stream of 100", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(stream), stream)},
	} {
		up := cannedUpstream(b, r.reply)
		for _, mode := range []string{GuardOff, GuardReport, GuardStrict} {
			b.Run(r.name+"/"+mode, func(b *testing.B) {
				url := benchmarkSidecar(b, up, false, func(c *Config) { c.BYOK.Guard = mode })
				body := benchmarkBody("openai/gpt-5.4-mini")
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
				defer client.CloseIdleConnections()
				b.ReportAllocs()
				for b.Loop() {
					resp, err := client.Post(url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
					if err != nil || resp.StatusCode != 200 {
						b.Fatalf("%v", err)
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		}
	}
}

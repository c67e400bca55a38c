package provider

import (
	"bytes"
	"strings"
	"testing"
)

// replyHead is the head of a reply of a service behind a large network: what an
// owner's call costs is one pass over such a head.
const replyHead = "Date: Tue, 01 Sep 2026 10:00:00 GMT\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n" +
	"access-control-expose-headers: X-Request-ID\r\nopenai-organization: user-l0rem1psumd0l0rs1t4met\r\nopenai-processing-ms: 522\r\n" +
	"openai-project: proj_l0rem1psumd0l0rs1t4met\r\nopenai-version: 2020-10-01\r\nx-envoy-upstream-service-time: 540\r\n" +
	"x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 200000\r\nx-ratelimit-remaining-requests: 9999\r\n" +
	"x-ratelimit-remaining-tokens: 199994\r\nx-ratelimit-reset-requests: 8.64s\r\nx-ratelimit-reset-tokens: 1ms\r\n" +
	"x-request-id: req_0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d\r\nstrict-transport-security: max-age=31536000; includeSubDomains; preload\r\n" +
	"cf-cache-status: DYNAMIC\r\nX-Content-Type-Options: nosniff\r\nServer: cloudflare\r\nCF-RAY: 90a1b2c3d0a1b2c3-FRA\r\nalt-svc: h3=\":443\"; ma=86400\r\n"

// withEscapes has one header more, as Cloudflare sends it with many replies.
const withEscapes = replyHead + `report-to: {"endpoints":[{"url":"https:\/\/a.nel.cloudflare.com\/report\/v4?s=0a1b%2B2c3d%3D%3D"}],"group":"cf-nel","max_age":604800}` + "\r\n"

var longKey = []byte("sk-proj-CANARY" + strings.Repeat("7f3A9b2C-4d5E_6f70", 8))

func BenchmarkRedactorHead(b *testing.B) {
	r := NewRedactor(OpenAI, longKey)
	for _, c := range []struct{ name, text string }{{"plain", replyHead}, {"escapes", withEscapes}} {
		b.Run(c.name, func(b *testing.B) {
			text, room, found := []byte(c.text), []byte{}, false
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if found, room = r.Appears(text, room); found {
					b.Fatal("want nothing found")
				}
			}
		})
	}
}

func BenchmarkRedactorError64KB(b *testing.B) {
	r := NewRedactor(OpenAI, longKey)
	text := bytes.Repeat([]byte(`{"message":"\u00e9 bad key"},`), 64<<10/29)
	b.Run("clean", func(b *testing.B) {
		var room []byte
		var found bool
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if found, room = r.Appears(text, room); found {
				b.Fatal("want nothing found")
			}
		}
	})
	echo := append(bytes.Clone(text), longKey...)
	b.Run("echo", func(b *testing.B) {
		b.SetBytes(int64(len(echo)))
		for b.Loop() {
			if len(r.Redact(echo)) >= len(echo) {
				b.Fatal("want it shorter")
			}
		}
	})
}

func BenchmarkNewRedactor(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if NewRedactor(OpenAI, longKey) == nil {
			b.Fatal("want one")
		}
	}
}

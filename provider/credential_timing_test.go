package provider

import "testing"

func BenchmarkAppendCredential(b *testing.B) {
	key := []byte("sk-proj-0123456789abcdefghijklmnopqrstuvwxyz0123456789")
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if out := AppendCredential(dst, OpenAI, key); len(out) != len(key)+len(`{"apiKey":""}`) {
			b.Fatal("the object differs")
		}
	}
}

func BenchmarkBySpelling(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if s, ok := BySpelling("SpaceXAI"); !ok || s != XAI {
			b.Fatal("not found")
		}
	}
}

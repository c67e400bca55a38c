//go:build !race

package provider

import "testing"

func TestHotPathDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 256)
	key, object := []byte("sk-proj-0123456789"), []byte(`{"apiKey":"k","resourceName":"r"}`)
	name := string([]byte("SpaceXAI"))
	var ok bool
	n := testing.AllocsPerRun(100, func() {
		AppendCredential(dst, OpenAI, key)
		AppendCredential(dst, Azure, object)
		_, ok = BySpelling(name)
		_, ok = Lookup(Azure)
	})
	if n != 0 || !ok {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestAllocRedactor(t *testing.T) {
	r := NewRedactor(OpenAI, longKey)
	text, room, found := []byte(withEscapes), make([]byte, 0, len(withEscapes)), false
	if n := testing.AllocsPerRun(1000, func() { found, room = r.Appears(text, room) }); n != 0 || found {
		t.Errorf("looking through a head allocates %v times, want 0; found: %v", n, found)
	}
}

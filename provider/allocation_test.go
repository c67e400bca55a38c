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

package main

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

// snippetFiles call a sidecar, one file for each SDK. demo --stay prints them and
// the README shows them, as they are here; a test runs them with the real SDKs.
//
//go:embed snippets
var snippetFiles embed.FS

// Where the snippets call, and the key that they show: those of a sidecar as it
// is configured by default.
const (
	snippetURL = "http://127.0.0.1:8787"
	snippetKey = "unused"
)

// A snippet is a program that calls a sidecar.
type snippet struct{ name, text string }

// snippets returns all of them, calling url with a key.
func snippets(url, key string) []snippet {
	var out []snippet
	replace := strings.NewReplacer(snippetURL, url, snippetKey, key)
	entries, _ := fs.ReadDir(snippetFiles, "snippets") // embedded: always there, and in order
	for _, e := range entries {
		text, _ := fs.ReadFile(snippetFiles, "snippets/"+e.Name())
		out = append(out, snippet{e.Name(), replace.Replace(string(text))})
	}
	return out
}

// snippets are for pasting into another terminal while the demo stays.
func (d *demo) snippets() {
	token, err := d.world.token(shop, shopAccount)
	if err != nil {
		return
	}
	fmt.Fprintf(d.out, `
Everything stays up until you press Ctrl-C. The token below is shop-bot's; the
gateway's ledger says who paid: curl %s/sandbox/ledger
`, d.world.gatewayURL)
	for _, s := range snippets(d.world.url, token) {
		fmt.Fprintf(d.out, "\n%s", s.text)
	}
}

package bench

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"text/template"
)

// Peers are proxies that are set up for one and the same job, and measured
// beside each other: pass requests and streams to one upstream over kept
// connections, with one header set. How each is set up, and why so, is in the
// files of the folder peers, which are templates for addresses and paths only.

//go:embed all:peers
var peerFiles embed.FS

// Credential is what each peer has to put behind "Authorization: Bearer". It is
// nobody's key.
const Credential = "sidekey-bench"

// A Peer is a proxy that is on this machine.
type Peer struct {
	Name    string
	Version string
	Note    string // what is said of it beside its figures

	// files are the names of templates in the folder peers, filled in before each
	// start.
	files []string
	// command is its command line, the program first.
	command func(site) []string
	// env is added to the environment, which is else almost empty.
	env func(site) []string
	// prepare does what is to be done before its first start in a folder.
	prepare func(context.Context, site) error

	// rewrites says that bodies do not go upstream as they came; carries is then
	// what must be in them.
	rewrites bool
	carries  string
	// holds says that it may read a whole request before it sends any of it on.
	holds bool
}

// A site is what a peer is told of where it runs.
type site struct {
	Dir      string // its own, for all that it writes
	Listen   string // host:port, for clients
	Admin    string // another free one
	Upstream string // host:port
	CA       string // PEM file of who vouches for the upstream; "": it speaks plaintext
	Workers  int    // CPUs that it may run on
}

// Authorization is the value of the one header.
func (site) Authorization() string { return "Bearer " + Credential }

// Credential is the same without its scheme.
func (site) Credential() string { return Credential }

// URL is the upstream's base.
func (s site) URL() string {
	if s.CA != "" {
		return "https://" + s.Upstream
	}
	return "http://" + s.Upstream
}

// Host is where it listens.
func (s site) Host() string {
	host, _, _ := net.SplitHostPort(s.Listen)
	return host
}

// port is the last part of the address to listen on.
func (s site) port() string {
	_, port, _ := net.SplitHostPort(s.Listen)
	return port
}

// fill writes the peer's files into its folder.
func (p *Peer) fill(s site) error {
	for _, name := range p.files {
		text, err := fs.ReadFile(peerFiles, "peers/"+name)
		if err != nil {
			return err
		}
		t, err := template.New(name).Parse(string(text))
		if err != nil {
			return err
		}
		f, err := os.OpenFile(filepath.Join(s.Dir, filepath.Base(name)), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		err = t.Execute(f, s)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

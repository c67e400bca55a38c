package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The peers that are built from Go modules.

// caddyPackage is Caddy's own program with its standard modules. Its version is
// pinned so that figures of different days can be compared; the Go tool checks
// it against the public checksums.
const (
	caddyPackage = "github.com/caddyserver/caddy/v2/cmd/caddy"
	caddyVersion = "v2.11.9"
)

// goTool finds the Go tool and its version.
func goTool(ctx context.Context) (program, version string, err error) {
	if program, err = exec.LookPath("go"); err != nil {
		return "", "", errors.New("building it needs Go; install it (go.dev/doc/install)")
	}
	out, err := exec.CommandContext(ctx, program, "env", "GOVERSION").Output()
	if err != nil {
		return "", "", fmt.Errorf("go env GOVERSION: %w", err)
	}
	return program, strings.TrimSpace(string(out)), nil
}

// goEnvironment keeps what a developer set for other work away from the build.
var goEnvironment = []string{"GOFLAGS=-trimpath", "GOWORK=off", "GOOS=", "GOARCH=", "CGO_ENABLED=0"}

func findCaddy(ctx context.Context, w *workshop) (*Peer, error) {
	program, version, err := goTool(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := w.keep("caddy", "building Caddy "+caddyVersion+" with Go, which takes some minutes", []string{caddyPackage, caddyVersion, version}, func(dir string) error {
		return tool(ctx, dir, append([]string{"GOBIN=" + dir}, goEnvironment...),
			program, "install", "-ldflags=-s -w", caddyPackage+"@"+caddyVersion)
	})
	if err != nil {
		return nil, err
	}
	return &Peer{
		Name: "caddy", Version: strings.TrimPrefix(caddyVersion, "v"), Note: "built with " + version,
		files: []string{"Caddyfile"},
		command: func(s site) []string {
			return []string{filepath.Join(dir, "caddy"), "run", "--adapter", "caddyfile", "--config", s.Dir + "/Caddyfile"}
		},
	}, nil
}

// findHTTPUtil builds the standard library's own proxy.
func findHTTPUtil(ctx context.Context, w *workshop) (*Peer, error) {
	return buildOwn(ctx, w, "httputil", "module httputil\n\ngo 1.24\n", "")
}

// findFastHTTP builds a proxy on the library that sidekey is built on.
func findFastHTTP(ctx context.Context, w *workshop) (*Peer, error) {
	p, err := buildOwn(ctx, w, "fasthttp", peerText("fasthttp/go.mod.txt"), peerText("fasthttp/go.sum.txt"))
	if err != nil {
		return nil, err
	}
	p.Version = strings.TrimPrefix(fasthttpVersion(), "v")
	return p, nil
}

// fasthttpVersion is that of the module file.
func fasthttpVersion() string {
	for line := range strings.Lines(peerText("fasthttp/go.mod.txt")) {
		if _, rest, ok := strings.Cut(line, "github.com/valyala/fasthttp "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}

func peerText(name string) string {
	b, err := fs.ReadFile(peerFiles, "peers/"+name)
	if err != nil {
		panic("BUG: " + err.Error()) // it is part of this program
	}
	return string(b)
}

// buildOwn builds one of the programs under peers, in a module of its own.
func buildOwn(ctx context.Context, w *workshop, name, mod, sum string) (*Peer, error) {
	program, version, err := goTool(ctx)
	if err != nil {
		return nil, err
	}
	source := peerText(name + "/main.go")
	dir, err := w.keep(name, "building the "+name+" proxy with Go", []string{source, mod, sum, version}, func(dir string) error {
		for file, text := range map[string]string{"main.go": source, "go.mod": mod, "go.sum": sum} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				return err
			}
		}
		return tool(ctx, dir, goEnvironment, program, "build", "-o", name, ".")
	})
	if err != nil {
		return nil, err
	}
	return &Peer{
		Name: name, Version: strings.TrimPrefix(version, "go"), Note: "built with " + version,
		command: func(s site) []string {
			return []string{filepath.Join(dir, name), "-listen", s.Listen, "-upstream", s.URL(), "-ca", s.CA, "-authorization", s.Authorization()}
		},
	}, nil
}

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The peer that is installed from npm: Portkey's gateway.

// oldestNode is the oldest Node.js that it is known to run on.
const oldestNode = 20

// nodeTools finds node and npm.
func nodeTools(ctx context.Context) (node, npm, version string, err error) {
	node, errNode := exec.LookPath("node")
	npm, errNPM := exec.LookPath("npm")
	if errors.Join(errNode, errNPM) != nil {
		return "", "", "", fmt.Errorf("it needs Node.js %d or later and npm; install them (nodejs.org, or the system's packages nodejs and npm)", oldestNode)
	}
	out, err := exec.CommandContext(ctx, node, "--version").Output()
	if err != nil {
		return "", "", "", fmt.Errorf("node --version: %w", err)
	}
	version = strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		return "", "", "", fmt.Errorf("node %s is too old; install Node.js %d or later", version, oldestNode)
	}
	return node, npm, version, nil
}

func findPortkey(ctx context.Context, w *workshop) (*Peer, error) {
	node, npm, version, err := nodeTools(ctx)
	if err != nil {
		return nil, err
	}
	files := []string{"package.json", "package-lock.json", ".npmrc"}
	var texts []string
	for _, name := range files {
		texts = append(texts, peerText("portkey/"+name))
	}
	dir, err := w.keep("portkey", "installing Portkey's gateway with npm", texts, func(dir string) error {
		for i, name := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(texts[i]), 0o600); err != nil {
				return err
			}
		}
		// Each package is checked against the lock file's digest, and nobody's
		// scripts are run.
		return tool(ctx, dir, nil, npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	})
	if err != nil {
		return nil, err
	}
	gateway := filepath.Join(dir, "node_modules", "@portkey-ai", "gateway")
	return &Peer{
		Name: "portkey", Version: packageVersion(gateway), Note: "on Node.js " + strings.TrimPrefix(version, "v"),
		files: []string{"portkey/start.mjs"},
		command: func(s site) []string {
			// --headless: without its page for people.
			return []string{node, s.Dir + "/start.mjs", filepath.Join(gateway, "build", "start-server.js"), "--port=" + s.port(), "--headless"}
		},
		env: func(s site) []string {
			env := []string{"NODE_ENV=production"} // as in production; it also leaves the page away
			if s.CA != "" {
				env = append(env, "NODE_EXTRA_CA_CERTS="+s.CA)
			}
			return env
		},
		rewrites: true, // it parses the body and writes those fields that it knows
		carries:  `"messages"`,
		holds:    true, // until it has parsed it
	}, nil
}

func packageVersion(dir string) string {
	var manifest struct{ Version string }
	b, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil || json.Unmarshal(b, &manifest) != nil || manifest.Version == "" {
		return "unknown"
	}
	return manifest.Version
}

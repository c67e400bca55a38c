package bench

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// The peers of the system's packages.

// systemProgram finds a program of the system. Debian keeps servers out of the
// PATH of ordinary users.
func systemProgram(name string) (string, error) {
	for _, p := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if found, err := exec.LookPath(p); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("not on this machine; install the system's package %s", name)
}

// programVersion asks a program for its version, the word that follows a text.
func programVersion(ctx context.Context, text, program string, args ...string) string {
	out, _ := exec.CommandContext(ctx, program, args...).CombinedOutput() // nginx writes it to stderr
	_, behind, _ := strings.Cut(string(out), text)
	if words := strings.Fields(behind); len(words) > 0 {
		return words[0]
	}
	return "unknown"
}

func findNginx(ctx context.Context, _ *workshop) (*Peer, error) {
	program, err := systemProgram("nginx")
	if err != nil {
		return nil, err
	}
	return &Peer{
		Name: "nginx", Version: programVersion(ctx, "nginx/", program, "-v"),
		files: []string{"nginx.conf"},
		command: func(s site) []string {
			return []string{program, "-p", s.Dir, "-c", s.Dir + "/nginx.conf", "-e", "stderr"}
		},
	}, nil
}

func findHAProxy(ctx context.Context, _ *workshop) (*Peer, error) {
	program, err := systemProgram("haproxy")
	if err != nil {
		return nil, err
	}
	return &Peer{
		Name: "haproxy", Version: programVersion(ctx, "HAProxy version ", program, "-v"),
		files: []string{"haproxy.cfg"},
		// -db: in the foreground, one process.
		command: func(s site) []string { return []string{program, "-db", "-f", s.Dir + "/haproxy.cfg"} },
	}, nil
}

package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A newcomer's path on a laptop: the commands of the README, in their order, as
// processes. Only the ports are others, for those may be taken.
func TestReadmePathLeadsToACallThatTheOwnerPays(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("SKIPPED: curl is not installed")
	}
	_, block, ok := strings.Cut(documents(t)["README.md"], "No gateway at hand?")
	if !ok {
		t.Fatal("the README has no such passage")
	}
	block = fenced.FindStringSubmatch(block)[2]
	gateway, proxy, admin := freeAddress(t), freeAddress(t), freeAddress(t)
	p := &newcomer{t: t, dir: t.TempDir(), env: append(os.Environ(), "SIDEKEY_LISTEN="+proxy, "SIDEKEY_ADMIN_LISTEN="+admin)}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(block, "127.0.0.1:8790", gateway)), "\n")
	if len(lines) != 4 {
		t.Fatalf("got %d commands, want four", len(lines))
	}
	p.background(lines[0])
	p.run(lines[1])
	p.background(lines[2])
	eventually(t, "the sidecar is ready", func() bool { return p.command("sidekey health").Run() == nil })
	call := snippets("http://"+proxy, "unused")[0]
	if out := p.run(call.text); !strings.Contains(out, "x-sidekey-credential: owner") {
		t.Errorf("the owner did not pay:\n%s", out)
	}
	if out := p.run(lines[3]); strings.Count(out, `"credential":"byok"`) == 0 || strings.Contains(out, `"credential":"system"`) {
		t.Errorf("the ledger says:\n%s", out)
	}
}

// A newcomer is somebody with a shell and the README.
type newcomer struct {
	t   *testing.T
	dir string
	env []string
}

func (p *newcomer) command(line string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), "sh", "-ec", line)
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

func (p *newcomer) run(line string) string {
	p.t.Helper()
	out, err := p.command(line).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// background starts a command in a terminal of its own. It ends with the test.
func (p *newcomer) background(line string) {
	p.t.Helper()
	cmd := p.command(line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the shell's child as well
		cmd.Wait()
	})
}

// freeAddress is an address of this machine that nobody listened on a moment
// ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

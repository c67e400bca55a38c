package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidekey/sidekey/bench"
)

// A peersProcess is sidekey bench peers as a process of its own, with a folder
// for all temporary files, by which what it leaves behind is found.
type peersProcess struct {
	*testing.T
	cmd    *exec.Cmd
	dir    string
	stdout bytes.Buffer // to be read after the end
	stderr logBuffer
	ended  chan error
}

// startPeers skips a test where the two yardsticks are missing. In CI they must
// be there.
func startPeers(t *testing.T, args ...string) *peersProcess {
	t.Helper()
	for _, name := range []string{"nginx", "haproxy"} {
		_, inPath := exec.LookPath(name)
		_, inSbin := exec.LookPath("/usr/sbin/" + name)
		if inPath == nil || inSbin == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed; CI needs it", name)
		}
		t.Skipf("SKIPPED: %s is not installed, so THE RUN OF PEERS IS NOT TESTED", name)
	}
	p := &peersProcess{T: t, dir: t.TempDir(), ended: make(chan error, 1)}
	p.cmd = exec.Command("sidekey", append([]string{"bench", "peers", "--quick", "--peers", "nginx,haproxy"}, args...)...)
	p.cmd.Env = append(os.Environ(), "TMPDIR="+p.dir)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }() // ends with the process
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// wait returns the exit status.
func (p *peersProcess) wait() int {
	p.Helper()
	var exit *exec.ExitError
	select {
	case err := <-p.ended:
		if err != nil && !errors.As(err, &exit) {
			p.Fatal(err)
		}
	case <-time.After(3 * time.Minute):
		p.Fatalf("not ended within 3 minutes:\n%s", p.stderr.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// until waits for a line on standard error.
func (p *peersProcess) until(line string) {
	p.Helper()
	re := regexp.MustCompile(line)
	for end := time.Now().Add(2 * time.Minute); !re.MatchString(p.stderr.String()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) || len(p.ended) > 0 {
			p.Fatalf("no %q in:\n%s", line, p.stderr.String())
		}
	}
}

// children are the processes whose command line names the folder, or which work
// in it: nginx's workers have another command line.
func (p *peersProcess) children() map[string]int {
	p.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		p.Fatal(err)
	}
	found := map[string]int{}
	for _, name := range files {
		text, _ := os.ReadFile(name)
		works, _ := os.Readlink(filepath.Join(filepath.Dir(name), "cwd"))
		if strings.Contains(string(text), p.dir) || strings.HasPrefix(works, p.dir) {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			found[strings.ReplaceAll(string(text), "\x00", " ")] = pid
		}
	}
	return found
}

// nothingLeft looks for processes and folders.
func (p *peersProcess) nothingLeft() {
	p.Helper()
	if left := p.children(); len(left) > 0 {
		p.Errorf("processes left: %v", left)
	}
	if names, err := filepath.Glob(filepath.Join(p.dir, "sidekey-bench-*")); err != nil || len(names) > 0 {
		p.Errorf("folders left: %v (%v)", names, err)
	}
}

func TestBenchPeersMeasuresSidekeyBesideOthers(t *testing.T) {
	results := filepath.Join(t.TempDir(), "peers.jsonl")
	p := startPeers(t, "--scenario", "chat,stream,memory,half", "--tls", "--out", results)
	if status := p.wait(); status != 0 {
		t.Fatalf("status %d:\n%s", status, p.stderr.String())
	}
	p.nothingLeft()
	for _, line := range []string{
		`(?m)^sidekey .*does the job with an owner's key, detection, splice and strict guard$`,
		`(?m)^nginx [0-9.]+ does the job$`, `(?m)^haproxy [0-9.]+\S* does the job$`,
	} {
		if !regexp.MustCompile(line).MatchString(p.stderr.String()) {
			t.Errorf("standard error has no %s:\n%s", line, p.stderr.String())
		}
	}
	figure := `[^–]+`
	for _, line := range []string{
		`(?m)^ +sidekey +nginx +haproxy$`,
		`(?m)^CPU per request, 2 KB +` + figure + `µs` + figure + `µs` + figure + `µs$`,
		`(?m)^memory per open stream, TLS upstream +` + figure + `KB` + figure + `KB` + figure + `KB$`,
		`(?m)^CPU per request, 2 KB +nginx +[0-9.]+ +cannot be told apart +≤ 1\.15: cannot be told$`,
	} {
		if !regexp.MustCompile(line).MatchString(p.stdout.String()) {
			t.Errorf("standard output has no %s:\n%s", line, p.stdout.String())
		}
	}
	file, err := os.Open(results)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	kept, err := bench.ReadResults(file)
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, res := range kept {
		parts = append(parts, res.Run.Settings.Tags[bench.PartTag]+map[bool]string{true: " TLS"}[res.Run.Settings.UpstreamTLS])
		if s := res.Run.Settings; runtime.GOOS == "linux" && runtime.NumCPU() > 1 && (s.DriverCPUs == "" || s.TargetCPUs == "") {
			t.Errorf("%s: the CPUs are not recorded", parts[len(parts)-1])
		}
	}
	if want := []string{"requests", "streams", "open streams", "requests TLS", "streams TLS", "open streams TLS", "half rate"}; !slices.Equal(parts, want) {
		t.Errorf("parts %q, want %q", parts, want)
	}
	if text, err := os.ReadFile(results); err != nil || bytes.Contains(text, []byte(benchOwnerKey)) {
		t.Errorf("the results hold the owner's key, or %v", err)
	}

	// The same again from the file, as bench/README.md has it.
	status, markdown, stderr := sidekeyCommand(t, "bench", "peers", "--from", results, "--markdown")
	if status != 0 || !strings.Contains(markdown, "\n|  | sidekey | nginx | haproxy |\n|---|---|---|---|\n| CPU per request, 2 KB | ") {
		t.Errorf("status %d, %s, got\n%s", status, stderr, markdown)
	}
}

func TestBenchPeersLeavesNothingWhateverEndsIt(t *testing.T) {
	long := []string{"--scenario", "chat", "--rounds", "1000"}
	measuring := `chat, round 1 of 1000: haproxy`
	t.Run("Ctrl-C", func(t *testing.T) {
		t.Parallel()
		p := startPeers(t, long...)
		p.until(measuring)
		if n := len(p.children()); runtime.GOOS == "linux" && n < 4 {
			t.Errorf("%d processes of peers run, want sidekey, two of nginx, and haproxy: %v", n, p.children())
		}
		if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "Stopped; the round that ran does not count.") {
			t.Errorf("status %d:\n%s", status, p.stderr.String())
		}
		if !strings.Contains(p.stdout.String(), "CPU per request, 2 KB") {
			t.Errorf("what was measured is not printed:\n%s", p.stdout.String())
		}
		p.nothingLeft()
	})
	t.Run("Ctrl-C during the checks", func(t *testing.T) {
		t.Parallel()
		p := startPeers(t, long...)
		p.until(`nginx [0-9.]+ does the job`)
		if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if status := p.wait(); status != 1 {
			t.Errorf("status %d:\n%s", status, p.stderr.String())
		}
		p.nothingLeft()
	})
	needsLinux := func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("SKIPPED: this needs /proc, and a signal that only Linux has")
		}
		t.Parallel()
	}
	t.Run("a peer dies", func(t *testing.T) {
		needsLinux(t)
		p := startPeers(t, long...)
		p.until(measuring)
		for line, pid := range p.children() {
			if strings.Contains(line, "haproxy.cfg") {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
		if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "sidekey: haproxy ended while it was measured; ") {
			t.Errorf("status %d:\n%s", status, p.stderr.String())
		}
		p.nothingLeft()
	})
	t.Run("killed", func(t *testing.T) {
		needsLinux(t)
		p := startPeers(t, long...)
		p.until(measuring)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.wait()
		eventually(t, "the peers are gone", func() bool { return len(p.children()) == 0 })
	})
}

func TestBenchPeersSaysAllThatIsWrong(t *testing.T) {
	status, stdout, stderr := sidekeyCommand(t, "bench", "peers", "--tls=maybe", "--peers", "apache", "--rounds", "0", "--markdown", "--json", "--from", "a.jsonl", "--out", "b.jsonl", "--fail-if", "speed > 1")
	for _, want := range []string{
		"--tls is plain, tls or both; write such as --tls=both", `--peers: there is no "apache"`, "--rounds is 0",
		"--markdown and --json are two ways to print", "--from measures nothing, so there is nothing for --out", "speed",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
	if status != 2 || stdout != "" {
		t.Errorf("status %d, %q, want 2 and nothing", status, stdout)
	}
	if status, _, stderr := sidekeyCommand(t, "bench", "peers", "--from", "nowhere.jsonl"); status == 0 || !strings.Contains(stderr, "nowhere.jsonl") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

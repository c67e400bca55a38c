package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waitUntil polls, for up to 20 s.
func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// alive says whether a process runs. One that has ended and for which nobody
// has waited yet does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil { // "12 (name) Z 1 …"; the name may hold anything
		_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), " ")
		return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
	}
	return runtime.GOOS != "linux" && syscall.Kill(pid, 0) == nil
}

// startFamily starts a shell with a child. Both note their numbers; stubborn ones do
// not heed SIGTERM.
func startFamily(t *testing.T, stubborn bool) (p *peerProcess, parent, child int) {
	t.Helper()
	dir := t.TempDir()
	trap := ""
	if stubborn {
		trap = "trap '' TERM; "
	}
	p, err := startProcess(peerCommand{
		Name: "family", Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH")},
		Args: []string{"sh", "-c", trap + "sleep 300 & echo $$ $! >numbers.new; mv numbers.new numbers; wait; sleep 300"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.stop() })
	waitUntil(t, "the family is there", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "numbers"))
		if err != nil {
			return false
		}
		_, err = fmt.Sscan(string(b), &parent, &child)
		return err == nil
	})
	if parent != p.pid() {
		t.Fatalf("the process is %d, the shell says %d", p.pid(), parent)
	}
	return p, parent, child
}

func TestStopEndsAProcessAndItsChildren(t *testing.T) {
	p, parent, child := startFamily(t, false)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if alive(parent) || alive(child) {
		t.Errorf("after Stop: process alive %v, child alive %v, want neither", alive(parent), alive(child))
	}
	if err := p.stop(); err != nil {
		t.Errorf("Stop again: %v", err)
	}
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	p, parent, child := startFamily(t, true)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if alive(parent) || alive(child) {
		t.Errorf("after Stop: process alive %v, child alive %v, want neither", alive(parent), alive(child))
	}
}

// A crash of a peer must not leave its workers to disturb what is measured next.
func TestAProcessThatDiesTakesItsChildrenAlong(t *testing.T) {
	p, parent, child := startFamily(t, true)
	if err := syscall.Kill(parent, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.exited()
	waitUntil(t, "the child is gone", func() bool { return !alive(child) })
}

func TestAProcessIsNotReachedByCtrlC(t *testing.T) {
	p, parent, child := startFamily(t, false)
	own, err := syscall.Getpgid(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{parent, child} {
		if group, err := syscall.Getpgid(pid); err != nil || group != p.pid() || group == own {
			t.Errorf("process %d is in group %d (%v), want %d and not %d", pid, group, err, p.pid(), own)
		}
	}
}

func TestAProgramThatIsNotThereIsAnError(t *testing.T) {
	_, err := startProcess(peerCommand{Name: "ghost", Dir: t.TempDir(), Args: []string{"/nowhere/ghost"}})
	if err == nil || !strings.HasPrefix(err.Error(), "ghost cannot be started: ") {
		t.Errorf("got %v", err)
	}
}

func TestTheTailOfTheOutputIsKept(t *testing.T) {
	p, err := startProcess(peerCommand{
		Name: "talker", Dir: t.TempDir(), Env: []string{"PATH=" + os.Getenv("PATH")},
		Args: []string{"sh", "-c", `i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; echo the end >&2`},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-p.exited()
	tail := p.tail()
	if !strings.HasPrefix(tail, "it printed: … ") || !strings.HasSuffix(tail, "line 499 the end") || len(tail) > 600 {
		t.Errorf("got %q", tail)
	}
}

func TestAProcessStaysOnItsCPUs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: processes are kept on CPUs on Linux only")
	}
	last := runtime.NumCPU() - 1
	dir := t.TempDir()
	p, err := startProcess(peerCommand{
		Name: "pinned", Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH")}, CPUs: []int{last},
		Args: []string{"sh", "-c", "grep Cpus_allowed_list /proc/self/status"}, // a child of the shell
	})
	if err != nil {
		t.Fatal(err)
	}
	<-p.exited()
	got, err := os.ReadFile(filepath.Join(dir, "output"))
	if want := fmt.Sprintf("Cpus_allowed_list:\t%d\n", last); err != nil || string(got) != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

// TestStartedByAnother is no test: it is what the next one runs as a process
// that it then kills.
func TestStartedByAnother(t *testing.T) {
	if os.Getenv("SIDEKEY_BENCH_PARENT") == "" {
		t.Skip("run by TestProcessesEndWhenBenchIsKilled")
	}
	p, err := startProcess(peerCommand{Name: "child", Dir: t.TempDir(), Env: []string{"PATH=" + os.Getenv("PATH")}, Args: []string{"sleep", "300"}})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nCHILD %d\n", p.pid())
	<-p.exited()
}

func TestProcessesEndWhenBenchIsKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux tells children that their parent was killed")
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestStartedByAnother$", "-test.v")
	cmd.Env = append(os.Environ(), "SIDEKEY_BENCH_PARENT=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := 0
	for lines := bufio.NewScanner(out); child == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "CHILD %d", &child)
	}
	if child == 0 || !alive(child) {
		t.Fatalf("the child (%d) does not run", child)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	waitUntil(t, "the child is gone", func() bool { return !alive(child) })
}

// TestStartedWithFewFiles is no test: it is what the next one runs with a lower
// limit.
func TestStartedWithFewFiles(t *testing.T) {
	if os.Getenv("SIDEKEY_BENCH_FILES") == "" {
		t.Skip("run by TestPeersMayOpenAsManyFilesAsBench")
	}
	if err := shareFiles(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p, err := startProcess(peerCommand{Name: "counter", Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH")}, Args: []string{"sh", "-c", "ulimit -Sn"}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.exited()
	files, err := os.ReadFile(filepath.Join(dir, "output"))
	fmt.Printf("\nFILES %s %v\n", strings.TrimSpace(string(files)), err)
}

// Go raises its own limit, but not that of its children.
func TestPeersMayOpenAsManyFilesAsBench(t *testing.T) {
	cmd := exec.Command("sh", "-c", `ulimit -Sn 500; ulimit -Hn 2000; exec "$0" -test.run '^TestStartedWithFewFiles$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "SIDEKEY_BENCH_FILES=1", "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	files := 0
	_, rest, _ := strings.Cut(string(out), "\nFILES ")
	fmt.Sscan(rest, &files)
	if err != nil || files < 1990 || files > 2000 { // Go leaves one of them
		t.Errorf("got %d files, %v: %s\nwant the 2000 of bench, not the 500 that it was started with", files, err, out)
	}
}

package bench

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shellChild runs a shell script that says "ready" when it has done its work, and
// then waits until its input ends. end makes it end.
func shellChild(t *testing.T, script string) (c *exec.Cmd, end func()) {
	t.Helper()
	c = exec.Command("sh", "-c", script)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() { in.Close(); c.Wait() })
	t.Cleanup(end)
	if got, err := io.ReadAll(io.LimitReader(out, 6)); err != nil || string(got) != "ready\n" {
		t.Fatalf("the child said %q, %v", got, err)
	}
	return c, end
}

// work is a loop of some hundred milliseconds of CPU time.
const work = `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; `

func cpuOf(t *testing.T, pid int, children bool) (time.Duration, meter) {
	t.Helper()
	g, err := newGauge(pid, children)
	if err != nil {
		t.Fatal(err)
	}
	m := g.rest()
	return g.cpu() + m.ended, m
}

// The kernel's account of a process that has ended is the judge.
func TestGaugeCountsCPUTime(t *testing.T) {
	c, end := shellChild(t, work+"echo ready; read x")
	got, m := cpuOf(t, c.Process.Pid, true)
	if m.resident < 100<<10 || m.threads != 1 || m.switches == 0 {
		t.Errorf("got %d resident, %d threads, %d switches of a shell", m.resident, m.threads, m.switches)
	}
	end()
	used := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	if got < used/2 || got > used+10*time.Millisecond {
		t.Errorf("got %v, the kernel says %v", got, used)
	}
	if _, err := newGauge(c.Process.Pid, true); err == nil {
		t.Error("a process that has ended is measured")
	}
}

func TestGaugeCountsChildren(t *testing.T) {
	idling, _ := shellChild(t, "echo ready; read x")
	idle, _ := cpuOf(t, idling.Process.Pid, true)
	living, _ := shellChild(t, "("+work+"echo ready; exec sleep 60)& read x; kill $!")
	with, m := cpuOf(t, living.Process.Pid, true)
	alone, one := cpuOf(t, living.Process.Pid, false)
	if m.threads != 2 || one.threads != 1 || m.resident <= one.resident {
		t.Errorf("got %d threads and %d bytes with the child, %d and %d without", m.threads, m.resident, one.threads, one.resident)
	}
	if with < idle+20*time.Millisecond || alone > with/2 {
		t.Errorf("got %v with the child that worked, %v without, %v idle", with, alone, idle)
	}
	parent, _ := shellChild(t, "("+work+"); echo ready; read x")
	ended, _ := cpuOf(t, parent.Process.Pid, true)
	if ended < idle+20*time.Millisecond {
		t.Errorf("got %v with a child that worked and ended, %v idle", ended, idle)
	}
}

func TestRoundMeasuresTheTargetsProcess(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	p := testPlan(u.URL(), ScenarioStream)
	p.Duration, p.Warmup, p.Streams, p.Events, p.EventRate = 300*time.Millisecond, 100*time.Millisecond, 20, 1000, 50
	p.Targets[0].PID = os.Getpid() // the upstream runs here
	r := onlyRound(t, p)
	for name, use := range map[string]*Usage{"target": r.Process, "driver": r.Driver} {
		if use == nil || use.CPU() <= 0 || use.CPU() > time.Duration(runtime.NumCPU())*r.Elapsed*2 || use.Resident < 1<<20 || use.Threads < 2 {
			t.Errorf("%s: got %+v", name, use)
		}
	}
	if use := r.Process; use.Streams != 20 || use.Idle < 1<<20 || use.Peak < use.Resident {
		t.Errorf("got %d streams open, %d idle, %d resident, peak %d; want 20 streams", use.Streams, use.Idle, use.Resident, use.Peak)
	}
	p.Targets[0].PID = 1 << 22
	if err := p.Run(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "there is no process") {
		t.Errorf("a process that is not there: got %v", err)
	}
}

func TestThisMachineIsDescribed(t *testing.T) {
	m := ThisMachine()
	if m.CPUs < 1 || m.Memory < 64<<20 || m.Kernel == "" || m.CPU == "" || !strings.HasPrefix(m.Go, "go") || !strings.HasPrefix(m.OS, "linux/") {
		t.Errorf("got %+v", m)
	}
}

func TestCPUsAreParsed(t *testing.T) {
	f := func(s string, want CPUs, text string) {
		t.Helper()
		got, err := ParseCPUs(s)
		if err != nil || !slices.Equal(got, want) || got.String() != text {
			t.Errorf("%q: got %v (%v), %q, want %v, %q", s, got, err, got.String(), want, text)
		}
	}
	f("", nil, "")
	f("0", CPUs{0}, "0")
	f("2,0-1,1", CPUs{0, 1, 2}, "0-2")
	f("7,0-1", CPUs{0, 1, 7}, "0-1,7")
	for _, bad := range []string{"a", "1-", "3-1", "-1", "0,,1", "1024", " 1"} {
		if got, err := ParseCPUs(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

// cpusOf is the mask of a process.
func cpusOf(t *testing.T, pid int) (set CPUs) {
	t.Helper()
	var mask unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &mask); err != nil {
		t.Fatal(err)
	}
	for n := range mostCPU {
		if mask.IsSet(n) {
			set = append(set, n)
		}
	}
	return set
}

func TestStartedProcessesKeepToTheirCPUs(t *testing.T) {
	own := cpusOf(t, 0)
	if len(own) < 2 {
		t.Skip("only one CPU here")
	}
	start := func(c CPUs) (*peerProcess, error) {
		return startProcess(peerCommand{Name: "sleep", Args: []string{"sleep", "60"}, Output: t.TempDir() + "/output", CPUs: c})
	}
	p, err := start(own[1:2])
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if got := cpusOf(t, p.pid()); !slices.Equal(got, own[1:2]) {
		t.Errorf("the process may use the CPUs %v, want %v", got, own[1:2])
	}
	if got := cpusOf(t, 0); !slices.Equal(got, own) {
		t.Errorf("this process may use the CPUs %v afterwards, want %v", got, own)
	}
	if p, err := start(CPUs{mostCPU}); err == nil {
		p.stop()
		t.Error("a CPU that is not there is accepted")
	}
}

func TestProcessIsStartedAndStopped(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	f := func(line, url, want string) {
		t.Helper()
		p, err := StartProcess(t.Context(), "a", line, url, nil)
		if err == nil {
			p.Stop()
			t.Fatalf("%s: started, want %q", line, want)
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, want %q", line, err, want)
		}
	}
	free := freeURL(t)
	f("sleep 60", u.URL(), "something listens on")
	f("echo it goes wrong >&2; exit 3", free, "a: it ended at once")
	f("echo it goes wrong >&2; exit 3", free, "it printed: it goes wrong")
	f("no-such-program", free, "not found")

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A child of the shell's, so that the whole group has to be stopped.
	line := fmt.Sprintf("UPSTREAM_FOR_TEST=%s '%s' & wait", strings.TrimPrefix(free, "http://"), self)
	p, err := StartProcess(t.Context(), "a", line, free, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan := testPlan(free, ScenarioChat)
	plan.Targets[0].PID = p.PID
	if r := onlyRound(t, plan); r.Requests == 0 || r.Process.CPU() == 0 {
		t.Errorf("got %d requests and %v of CPU time", r.Requests, r.Process.CPU())
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if err := plan.Run(t.Context(), nil, nil); err == nil {
		t.Error("it still listens after its end")
	}
}

// freeURL is one at which nobody listens.
func freeURL(t *testing.T) string {
	u := testUpstream(t, UpstreamConfig{})
	u.Close()
	return u.URL()
}

// TestMain runs this binary as an upstream, when it is started as one.
func TestMain(m *testing.M) {
	if listen := os.Getenv("UPSTREAM_FOR_TEST"); listen != "" {
		if _, err := StartUpstream(UpstreamConfig{Listen: listen}); err != nil {
			panic(err)
		}
		select {}
	}
	os.Exit(m.Run())
}

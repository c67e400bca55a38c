package bench

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end after it was asked to, before
// it is killed. It holds no request by then.
const stopGrace = 5 * time.Second

// startTime is how long a peer may take until it accepts connections. Portkey
// takes two seconds on an idle machine.
const startTime = 30 * time.Second

// A peerCommand says how a process is started.
type peerCommand struct {
	Name string   // in messages
	Args []string // the program first
	Dir  string   // its working folder; "": that of bench
	// Output is the file for what it prints; "": the file output in Dir.
	Output string
	Env    []string // all of its environment; nil: that of bench
	CPUs   CPUs     // that it and its children may run on; none: all. Linux only
}

// A peerProcess is a program that bench started. It leads a process group of its
// own, so that Ctrl-C on the terminal reaches bench only, which then ends the
// group; and on Linux it is told to end when bench itself is killed.
type peerProcess struct {
	name   string
	cmd    *exec.Cmd
	output string        // file with what it printed
	ended  chan struct{} // closed when it and its group are gone
}

// startProcess starts a program. stop must be called.
func startProcess(c peerCommand) (*peerProcess, error) {
	p := &peerProcess{name: c.Name, output: cmp.Or(c.Output, filepath.Join(c.Dir, "output")), ended: make(chan struct{})}
	// A file, not a pipe: nobody need read it, and a grandchild that keeps it
	// open holds up nothing.
	out, err := os.Create(p.output)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", c.Name, err)
	}
	defer out.Close()
	p.cmd = exec.Command(c.Args[0], c.Args[1:]...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = c.Dir, c.Env, out, out
	p.cmd.SysProcAttr = processAttributes()
	started := make(chan error)
	go p.run(c.CPUs, started) // ends with the process
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", c.Name, err)
	}
	return p, nil
}

// run starts the process and waits for it, on one thread that nothing else
// uses: the signal at the parent's end comes at the end of the thread that
// started the child (go.dev/issue/27505), and CPUs are set on that thread, from
// which the child has them. The thread ends with this goroutine.
func (p *peerProcess) run(cpus CPUs, started chan<- error) {
	runtime.LockOSThread()
	err := pinThread(cpus)
	if err == nil {
		err = p.cmd.Start()
	}
	started <- err
	if err != nil {
		return
	}
	waitGroup(p.cmd)
	p.awaitGroup()
	close(p.ended)
}

// shareFiles lets children have as many files open as this process. Go raises
// its own limit at the start, and gives children the one before, unless the
// program has set it (go.dev/issue/46279).
func shareFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("the limit of open files cannot be read: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("the limit of open files cannot be set: %w", err)
	}
	return nil
}

// awaitGroup waits until what was killed is gone, which takes a moment. Not for
// ever: where nobody collects orphans, as in some containers, their names stay.
func (p *peerProcess) awaitGroup() {
	for end := time.Now().Add(time.Second); syscall.Kill(-p.pid(), 0) == nil && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// pid is the number of the process, which is also that of its group.
func (p *peerProcess) pid() int { return p.cmd.Process.Pid }

// exited is closed when the process has ended, by whatever cause.
func (p *peerProcess) exited() <-chan struct{} { return p.ended }

// stop asks the process to end, kills it if it does not, and waits until it and
// its group are gone. It may be called again.
func (p *peerProcess) stop() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-p.ended:
		return nil
	case <-grace.C:
	}
	if err := syscall.Kill(-p.pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%s (process %d) cannot be killed: %w", p.name, p.pid(), err)
	}
	<-p.ended
	return nil
}

// tail is the end of what the process printed, on one line, for messages.
func (p *peerProcess) tail() string {
	const most = 500
	b, _ := os.ReadFile(p.output)
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(b), "?")), " ")
	if len(text) > most {
		text = "… " + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	if text == "" {
		return "it printed nothing"
	}
	return "it printed: " + text
}

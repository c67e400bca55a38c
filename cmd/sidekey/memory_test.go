package main

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"
)

// TestMemoryLimitComesFromTheCgroup looks at what Go itself says is in force.
// Where a cgroup's limit is found, and how, is tested in the library, over the
// file trees of many systems.
func TestMemoryLimitComesFromTheCgroup(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	f := func(cgroup memlimit.Provider, env testEnv, limit int64, level, soft, from string) {
		t.Helper()
		debug.SetMemoryLimit(before)
		var out logBuffer
		m := memory{lookup: env.lookup, cgroup: cgroup}
		m.bound(zerolog.New(&out))
		if got := debug.SetMemoryLimit(-1); got != limit {
			t.Errorf("limit=%d, want %d", got, limit)
		}
		var line struct{ Level, Soft_Limit, From, Error string }
		if err := json.Unmarshal([]byte(out.String()), &line); err != nil {
			t.Fatal(err)
		}
		if line.Level != level || line.Soft_Limit != soft || line.From != from {
			t.Errorf("logged %+v, want level %s, soft limit %s from %q", line, level, soft, from)
		}
	}
	none := "none"
	if before != math.MaxInt64 {
		none = Size(before).String()
	}
	fails := func(err error) memlimit.Provider { return func() (uint64, error) { return 0, err } }
	f(memlimit.Limit(256<<20), nil, 204<<20, "info", "204MiB", "cgroup limit 256MiB")
	f(memlimit.Limit(500_000_000), nil, 381<<20, "info", "381MiB", "cgroup limit 500000000B")
	f(memlimit.Limit(8<<30), nil, 6553<<20, "info", "6553MiB", "cgroup limit 8GiB")
	// Too little for sidekey at all.
	f(memlimit.Limit(16<<20), nil, softLeast, "info", "24MiB", "cgroup limit 16MiB")
	// No limit, in each of the ways in which there can be none.
	f(fails(memlimit.ErrNoLimit), nil, before, "info", none, "no cgroup limit")
	f(fails(memlimit.ErrNoCgroup), nil, before, "info", none, "no cgroup limit")
	f(fails(memlimit.ErrCgroupsNotSupported), nil, before, "info", none, "no cgroup limit")
	// What is not understood is told, and nothing is changed.
	f(fails(errors.New("two limits")), nil, before, "warn", none, "the cgroup limit cannot be read: set GOMEMLIMIT if there is one")
	// The operator's word stands.
	f(memlimit.Limit(256<<20), testEnv{"GOMEMLIMIT": "1GiB"}, before, "info", none, "GOMEMLIMIT")
	f(memlimit.Limit(256<<20), testEnv{"GOMEMLIMIT": ""}, 204<<20, "info", "204MiB", "cgroup limit 256MiB")
}

func TestMemoryLimitOfTheOperatorStands(t *testing.T) {
	p := launch(t, "gateway: {url: 'http://127.0.0.1:9', key: env:KEY}\n", "GOMEMLIMIT=123MiB")
	if line := p.memoryLine(); line.Soft_Limit != "123MiB" || line.From != "GOMEMLIMIT" {
		t.Errorf("logged %+v, want 123MiB from GOMEMLIMIT", line)
	}
}

// TestMemoryLimitOfAProcess shares the cgroup of this test.
func TestMemoryLimitOfAProcess(t *testing.T) {
	want, from := "none", "no cgroup limit"
	if hard, err := memlimit.FromCgroup(); err == nil {
		want, from = Size(soft(int64(hard))).String(), "cgroup limit "+Size(hard).String()
	}
	p := launch(t, "gateway: {url: 'http://127.0.0.1:9', key: env:KEY}\n", "GOMEMLIMIT=")
	if line := p.memoryLine(); line.Soft_Limit != want || line.From != from {
		t.Errorf("logged %+v, want %s from %q", line, want, from)
	}
}

type memoryLine struct{ Message, Soft_Limit, From string }

// memoryLine finds what the process logged of its memory.
func (p *process) memoryLine() (line memoryLine) {
	p.Helper()
	eventually(p.T, "the memory's line is logged", func() bool {
		for text := range strings.Lines(p.logs.String()) {
			if line = (memoryLine{}); json.Unmarshal([]byte(text), &line) == nil && line.Message == "memory" {
				return true
			}
		}
		return false
	})
	return line
}

// TestStartIsCheap counts what a start does, for time says nothing on a busy
// machine: what packages allocate before main, and that nothing is collected
// before it serves. That a collection comes afterwards shows that the
// percentage of the start does not stay. (With room for so many chatbots a
// start takes 8 MB, and would surely be interrupted by a collection.)
func TestStartIsCheap(t *testing.T) {
	dir := t.TempDir()
	p := &process{T: t, status: make(chan int, 1)}
	file := writeFile(t, filepath.Join(dir, "sidekey.yaml"),
		"listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nlog: {format: json}\ngateway: {url: 'http://127.0.0.1:9', key: env:KEY}\ncache: {max_chatbots: 100000}\n")
	p.cmd = exec.Command(buildSidekey(t), "serve", "--config", file)
	p.cmd.Dir, p.cmd.Stderr = dir, &p.logs
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "GO") })
	p.cmd.Env = append(p.cmd.Env, "KEY="+canary, "GODEBUG=inittrace=1,gctrace=1")
	p.begin()
	before, after, _ := strings.Cut(p.logs.String(), `"serving"`)

	ours, all, packages, firstHeap := 0, 0, 0, false
	for text := range strings.Lines(before) {
		// init PACKAGE @33 ms, 0.06 ms clock, 6584 bytes, 28 allocs
		name, ok := strings.CutPrefix(text, "init ")
		if !ok {
			continue
		}
		words := strings.Fields(name)
		if len(words) < 10 {
			t.Fatalf("this line of inittrace is not understood: %q", text)
		}
		bytes, err1 := strconv.Atoi(words[6])
		allocs, err2 := strconv.Atoi(words[8])
		if err := errors.Join(err1, err2); err != nil {
			t.Fatalf("this line of inittrace is not understood: %q", text)
		}
		packages++
		all += bytes
		if firstHeap = firstHeap || strings.HasSuffix(words[0], "/firstheap"); strings.HasPrefix(words[0], "github.com/aws/") && bytes > 4<<10 && !firstHeap && runtime.GOOS == "linux" {
			t.Errorf("package %s allocates before firstheap has asked for huge pages", words[0])
		}
		if words[0] == "main" || strings.HasPrefix(words[0], "github.com/sidekey/") {
			ours++
			// A regular expression is about 100.
			if allocs > 60 {
				t.Errorf("package %s allocates %d objects before main; make them when they are needed", words[0], allocs)
			}
		}
	}
	if ours < 4 || packages < 100 {
		t.Errorf("saw %d packages, %d of them ours: the test looks at the wrong place", packages, ours)
	}
	// It is 2 MB, most of it the AWS SDK's, and every 4 KB a page fault.
	if all > 3<<20 {
		t.Errorf("packages allocate %d bytes before main, want at most 3 MiB", all)
	}
	if strings.Contains(before, "gc 1 @") {
		t.Error("garbage was collected before it served")
	}
	for range 300 { // each makes some garbage; all of them less than startPercent allows
		if strings.Contains(p.logs.String(), "gc 1 @") {
			return
		}
		p.ready()
	}
	t.Errorf("no garbage is collected after the start either:\n%s", after)
}

package main

import (
	"maps"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// A victim is a command that is killed at a call of AWS, or ends by itself.
type victim struct {
	r       *storeRig
	cmd     *exec.Cmd
	started chan struct{}
	out     logBuffer
	once    sync.Once
}

func (r *storeRig) victim(stdin string, args ...string) *victim {
	v := &victim{r: r, cmd: r.command(stdin, args...), started: make(chan struct{})}
	v.cmd.Stdout, v.cmd.Stderr = &v.out, &v.out
	return v
}

func (v *victim) start() {
	v.r.Helper()
	if err := v.cmd.Start(); err != nil {
		v.r.Fatal(err)
	}
	close(v.started)
}

// signal sends one, once. It may be called from a fault.
func (v *victim) signal(s syscall.Signal) {
	v.once.Do(func() {
		<-v.started
		v.cmd.Process.Signal(s)
	})
}

// end waits for the process and returns its exit status, -1 if it was killed.
func (v *victim) end() int {
	v.r.Helper()
	v.cmd.Wait()
	v.r.w.Fault(nil)
	v.r.shows(v.out.String())
	return v.cmd.ProcessState.ExitCode()
}

// Each round kills the process at another random call of AWS; what was asked
// for at that moment is carried out all the same, or not.
func TestKilledMigrateLeavesWholeItemsAndIsResumed(t *testing.T) {
	const chatbots, rounds = 25, 6
	for _, way := range [][2]string{{"local", "aws"}, {"aws", "local"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			r := newStoreRig(t, "aws")
			r.wants(0, nil, "store", "init")
			stores := map[string]func() credstore.Backend{"local": r.local, "aws": r.aws}
			r.fill(stores[way[0]](), chatbots)
			want := r.items(stores[way[0]]())
			killed := 0
			for range rounds {
				v := r.victim("", "store", "migrate", "--from", way[0], "--to", way[1])
				var calls atomic.Int64
				at, drop := rand.Int64N(150)+1, rand.IntN(2) == 0
				r.w.Fault(func(awstest.Call) awstest.Fault {
					if calls.Add(1) == at {
						v.signal(syscall.SIGKILL)
						return awstest.Fault{Drop: drop}
					}
					return awstest.Fault{}
				})
				v.start()
				if v.end() == -1 {
					killed++
				}
				r.whole(want, r.items(stores[way[1]]()))
			}
			if killed == 0 {
				t.Error("no round was killed, so nothing was tested")
			}
			r.wants(0, []string{"25 chatbots, ", " 0 failed"}, "store", "migrate", "--from", way[0], "--to", way[1])
			if got := r.items(stores[way[1]]()); !maps.Equal(got, want) {
				t.Error("the rerun did not complete the destination")
			}
			if got := r.items(stores[way[0]]()); !maps.Equal(got, want) {
				t.Error("the source changed")
			}
		})
	}
}

// SIGTERM ends it between two items, and says how to go on.
func TestTerminatedMigrateSaysHowToGoOn(t *testing.T) {
	r := newStoreRig(t, "aws")
	r.wants(0, nil, "store", "init")
	r.fill(r.local(), 25)
	want := r.items(r.local())
	v := r.victim("", "store", "migrate", "--from", "local", "--to", "aws")
	// From the tenth write on all halt, until the process has taken the signal in.
	halt := make(chan struct{})
	release := sync.OnceFunc(func() { close(halt) })
	t.Cleanup(release)
	r.w.Fault(func(c awstest.Call) awstest.Fault {
		if c.Op == "dynamodb:PutItem" && c.N > 10 {
			v.signal(syscall.SIGTERM)
			<-halt
		}
		return awstest.Fault{}
	})
	v.start()
	eventually(t, "the signal is taken in", func() bool { return strings.Contains(v.out.String(), "interrupted: finishing") })
	release()
	status := v.end()
	if out := v.out.String(); status != 1 || !strings.Contains(out, "interrupted; run it again") {
		t.Errorf("status %d\n%s", status, out)
	}
	r.whole(want, r.items(r.aws()))
	r.wants(0, []string{" 0 failed"}, "store", "migrate", "--from", "local", "--to", "aws")
	if got := r.items(r.aws()); !maps.Equal(got, want) {
		t.Error("the rerun did not complete the destination")
	}
}

// A killed keys set leaves the old key or the new one, each with its own
// version and hint.
func TestKilledKeysSetLeavesTheOldKeyOrTheNewOne(t *testing.T) {
	const oldKey, newKey = "sk-CANARY-0123456789-old1", "sk-CANARY-0123456789-new2"
	r := newStoreRig(t, "aws")
	r.wants(0, nil, "store", "init")
	owner := credstore.NewOwner(r.aws())
	set := []string{"keys", "set", "--chatbot", "bot", "--provider", "openai"}
	// stored returns which of the two keys is there, whole.
	stored := func() string {
		t.Helper()
		secret, info, err := owner.Key(t.Context(), "bot", provider.OpenAI, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{oldKey, newKey} {
			if string(secret.Reveal()) == key && strings.HasSuffix(key, info.Hint) {
				return key[len(key)-4:]
			}
		}
		t.Fatal("the record is a mixture")
		return ""
	}
	restore := func() int64 {
		t.Helper()
		info, err := owner.Set(t.Context(), "bot", provider.OpenAI, credstore.NewSecret([]byte(oldKey)), credstore.SetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return info.Version
	}
	for _, moment := range []struct {
		op   string
		f    awstest.Fault
		want string
	}{
		{"kms:Encrypt", awstest.Fault{Drop: true}, "old1"},
		{"kms:Encrypt", awstest.Fault{Drop: true, After: true}, "old1"},
		{"dynamodb:Query", awstest.Fault{Drop: true, After: true}, "old1"},
		{"dynamodb:PutItem", awstest.Fault{Drop: true}, "old1"},
		{"dynamodb:PutItem", awstest.Fault{Drop: true, After: true}, "new2"},
		{"dynamodb:PutItem", awstest.Fault{}, "new2"},
	} {
		version := restore()
		v := r.victim(newKey, set...)
		r.w.Fault(func(c awstest.Call) awstest.Fault {
			if c.Op != moment.op {
				return awstest.Fault{}
			}
			v.signal(syscall.SIGKILL)
			return moment.f
		})
		v.start()
		if status := v.end(); status != -1 {
			t.Errorf("killed at %s: status %d", moment.op, status)
		}
		eventually(t, "the record is the "+moment.want+" one", func() bool { return stored() == moment.want })
		info, err := owner.List(t.Context(), "bot", "")
		if err != nil || (info.Keys[0].Version > version) != (moment.want == "new2") {
			t.Errorf("killed at %s: version %d after %d (error %v)", moment.op, info.Keys[0].Version, version, err)
		}
	}
	for range 8 { // at any moment of its short life
		restore()
		v := r.victim(newKey, set...)
		v.start()
		time.Sleep(rand.N(120 * time.Millisecond))
		v.signal(syscall.SIGKILL)
		v.end()
		stored()
	}
	if o := r.run(newKey, set...); o.status != 0 || stored() != "new2" {
		t.Errorf("the next one did not get through: %s%s", o.out, o.err)
	}
}

package bench

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func peersPlan() PeersPlan {
	return PeersPlan{Plain: true, Rounds: 5, Duration: 4 * time.Second, Warmup: time.Second, Connections: 64, Streams: 200, EventRate: 100, Open: 5000}
}

func TestThePlanOfPeersHasAPartForEachLoad(t *testing.T) {
	f := func(secure bool, measures string, want ...string) {
		t.Helper()
		p := peersPlan()
		if measures != "" {
			p.Measures = strings.Split(measures, ",")
		}
		var got []string
		for _, pt := range p.parts(secure) {
			got = append(got, pt.name+": "+strings.Join(pt.Scenarios, ","))
			if pt.Settings.Tags[PartTag] != pt.name || pt.UpstreamTLS != secure || !pt.OwnUpstream {
				t.Errorf("%s: %+v", pt.name, pt.Settings)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s, TLS %v: got %v, want %v", measures, secure, got, want)
		}
	}
	f(false, "", "requests: chat,long,image", "streams: stream", "open streams: stream")
	f(true, "", "requests: chat", "streams: stream", "open streams: stream")
	f(false, "image,stream", "requests: image", "streams: stream")
	f(false, "half", "requests: chat") // for the highest rates
	f(true, "long")
}

// Streams of the memory figure must be open all the time.
func TestStreamsForTheMemoryFigureOutlastTheRound(t *testing.T) {
	p := peersPlan()
	p.Measures = []string{MeasureMemory}
	s := p.parts(true)[0]
	if s.Streams != 5000 {
		t.Errorf("%d streams", s.Streams)
	}
	if lasts := time.Duration(float64(s.Events-1) / s.EventRate * float64(time.Second)); lasts < s.Warmup+s.Fill+s.Duration {
		t.Errorf("a stream lasts %v, the round up to %v", lasts, s.Warmup+s.Fill+s.Duration)
	}
}

func TestAPlanOfPeersSaysAllThatIsWrong(t *testing.T) {
	p := PeersPlan{Peers: []string{"apache"}, Measures: []string{"speed", MeasureHalf}, Secure: true, Rounds: 0, Duration: time.Second, Connections: 1, Streams: 1, EventRate: 1, Open: 20_000}
	err := p.Check()
	want := []string{
		`--scenario: there is no "speed"; name some of chat, long, image, stream, memory, half`,
		`--peers: there is no "apache"; name some of nginx, haproxy, caddy, httputil, fasthttp, portkey`,
		"--scenario half is measured in front of a plaintext upstream only; give --tls=both, or leave --tls away",
		"--rounds is 0; write a value from 1 to 1000",
		"--open is 20000; write a value from 1 to 16000",
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
}

func TestHalfOfTheLowerHighestRateIsForBoth(t *testing.T) {
	rates := map[string]int64{"sidekey": 900, "nginx": 1000, "haproxy": 600, "portkey": 500, Direct: 5000}
	var g peersRig
	var names []string
	var peers []*Peer
	for _, name := range []string{"sidekey", "nginx", "haproxy", "portkey"} {
		names = append(names, name)
		peers = append(peers, &Peer{Name: name})
	}
	g.part(partUnary, false, ScenarioChat, names, 3, func(target string, n int) Round { return Round{Requests: rates[target]} })
	rate, able, why := halfRate(NewPeersTable(g.results), peers)
	if rate != 450 || why != "" {
		t.Errorf("rate %v, %q, want half of sidekey's 900", rate, why)
	}
	if got := []*Peer(able); len(got) != 3 || got[2].Name != "haproxy" {
		t.Errorf("%d peers can take it, want all but portkey: 500 is less than a quarter above 450", len(got))
	}
	if _, _, why := halfRate(NewPeersTable(nil), peers); why != "the highest rate of sidekey is not known" {
		t.Errorf("got %q", why)
	}
}

func TestCPUsAreSplitSoThatTheDriverIsFasterThanThePeers(t *testing.T) {
	f := func(all, driver, target string) {
		t.Helper()
		cpus, err := ParseCPUs(all)
		if err != nil {
			t.Fatal(err)
		}
		if d, p := splitCPUs(cpus); d.String() != driver || p.String() != target {
			t.Errorf("%s: driver %s, peers %s, want %s and %s", all, d, p, driver, target)
		}
	}
	f("3", "", "")
	f("0-1", "0", "1")
	f("4-7", "4-6", "7")
	f("0-7", "0-5", "6-7")
}

// All that want the same thing at once get it, whole, and nothing else is left.
func TestTheWorkshopMakesAThingOnce(t *testing.T) {
	w := &workshop{dir: filepath.Join(t.TempDir(), "shop"), tell: func(string) {}}
	thing := func(dir string) error { return os.WriteFile(filepath.Join(dir, "thing"), []byte("whole"), 0o600) }
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			dir, err := w.keep("thing", "making it", []string{"a", "b"}, thing)
			if err != nil {
				t.Error(err)
				return
			}
			if text, err := os.ReadFile(filepath.Join(dir, "thing")); err != nil || string(text) != "whole" {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
	wait.Wait()
	never := func(string) error { t.Error("made again"); return nil }
	dir, err := w.keep("thing", "", []string{"a", "b"}, never)
	if err != nil {
		t.Error(err)
	}
	if other, err := w.keep("thing", "", []string{"ab"}, thing); err != nil || other == dir {
		t.Errorf("other inputs led to the same thing, or to %v", err)
	}
	w.foundOnly = true
	if _, err := w.keep("thing", "", []string{"c"}, never); !errors.Is(err, errNotMade) {
		t.Errorf("got %v, want %v", err, errNotMade)
	}
	if names, err := os.ReadDir(w.dir); err != nil || len(names) != 2 {
		t.Errorf("the folder holds %v (%v), want two things", names, err)
	}
}

func TestTheWorkshopKeepsNothingThatFailed(t *testing.T) {
	w := &workshop{dir: filepath.Join(t.TempDir(), "shop"), tell: func(string) {}}
	_, err := w.keep("thing", "", []string{"a"}, func(dir string) error {
		return tool(t.Context(), dir, []string{"WORD=too bad"}, "sh", "-c", `echo one; echo two; echo three; echo "$WORD" >&2; exit 3`)
	})
	if want := "sh -c: exit status 3: two; three; too bad"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if names, err := os.ReadDir(w.dir); err != nil || len(names) > 0 {
		t.Errorf("the folder holds %v (%v), want nothing", names, err)
	}
}

func TestAMissingPeerIsLeftOutWithAWord(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	w := &workshop{dir: t.TempDir(), tell: func(string) {}}
	found, out, err := findPeers(t.Context(), w, []string{"caddy", "portkey"})
	if err != nil || len(found) > 0 {
		t.Errorf("found %v, %v", found, err)
	}
	want := []LeftOut{
		{"caddy", "building it needs Go; install it (go.dev/doc/install)"},
		{"portkey", "it needs Node.js 20 or later and npm; install them (nodejs.org, or the system's packages nodejs and npm)"},
	}
	if !slices.Equal(out, want) {
		t.Errorf("got %v, want %v", out, want)
	}
}

// A rate at which the driver is late is halved until it is not, four times at
// most.
func TestRateThatTheDriverKeeps(t *testing.T) {
	for _, c := range []struct{ rate, keeps, want float64 }{
		{8001, 9000, 8001}, {8001, 4000, 4000}, {8001, 1000, 1000}, {8001, 1, 500},
	} {
		var told []string
		r := &peersRun{help: PeersHelp{Tell: func(line string) { told = append(told, line) }}}
		got, err := r.steady(c.rate, func(rate float64) (string, error) {
			if rate > c.keeps {
				return "the driver was late", nil
			}
			return "", nil
		})
		if err != nil || got != c.want {
			t.Errorf("%.0f of a driver that keeps %.0f: got %.0f, %v; want %.0f", c.rate, c.keeps, got, err, c.want)
		}
		if tries := math.Round(math.Log2(c.rate / c.want)); len(told) != int(tries) || tries > 0 && told[0] != "At 8001 requests per second the driver was late: half of that is tried." {
			t.Errorf("%.0f of a driver that keeps %.0f: told %q", c.rate, c.keeps, told)
		}
	}
}

// A trial is a round of the open loop with nobody in between.
func TestTrialOfARate(t *testing.T) {
	r := &peersRun{PeersPlan: &PeersPlan{Rounds: 3, Duration: 100 * time.Millisecond, Plain: true}}
	if _, err := r.trial(t.Context(), 100); err != nil {
		t.Error(err)
	}
	if _, err := r.trial(t.Context(), -1); err == nil {
		t.Error("a rate below 0 is measured")
	}
}

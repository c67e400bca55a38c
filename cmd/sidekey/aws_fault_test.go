package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// An awsFault is one way in which AWS fails, and what comes of it.
type awsFault struct {
	name          string
	strike        func(*awsRig)
	mend          func(*awsRig)
	cached, fresh string // what chatbots get whose keys are known, and whose are not
	says          string // the cause in the log and in /readyz; "": nothing is wrong
	todo          string // what to do, in the log line
	oneRow        bool   // /readyz says nothing: the store is well
}

// The chatbots of the matrix. Their keys are in the table; the sidecar knows
// those of cached before the fault strikes.
const (
	cached = "cached"
	fresh  = "fresh"
)

// How the store on AWS fails: the table of DESIGN section 4, over the wire. Each
// fault strikes twice, to be healed by time alone and by /-/invalidate.
func TestAWSFaults(t *testing.T) {
	var mu sync.Mutex
	report := map[string]string{}
	t.Cleanup(func() { // after the parallel rows
		t.Logf("%-33s | %-25s | %-25s | %s", "fault", "chatbot with known keys", "any other", "after it is mended")
		for _, f := range awsFaults {
			if line := report[f.name]; line != "" {
				t.Logf("%-33s %s", f.name, line)
			}
		}
	})
	for _, f := range awsFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			line := f.run(t)
			mu.Lock()
			defer mu.Unlock()
			report[f.name] = line
		})
	}
}

func (f *awsFault) run(t *testing.T) string {
	r := awsWorld(t)
	for _, chatbot := range []string{cached, fresh, "rich"} {
		r.stores(t, chatbot, ownerKey)
	}
	r.serveAWS(t, "cache: {ttl: 1s, recheck: 1s}\n") // the shortest, so that the store is asked all the time
	r.save()
	began := time.Now()
	r.gets(cached, paidByOwner)

	f.strike(r)
	f.takesEffect(r)
	for chatbot, want := range map[string]string{cached: f.cached, fresh: f.fresh} {
		if want == turnedAway {
			r.gets(chatbot, want)
		}
		r.keepsGetting(chatbot, want)
	}
	f.isTold(r)
	mended := time.Now()
	f.mend(r)
	for _, chatbot := range []string{cached, fresh} {
		r.gets(chatbot, paidByOwner)
	}
	eventually(t, "/readyz says that the store is well", func() bool { r.gets(fresh, paidByOwner); return r.health() == "ok" })
	healed := time.Since(mended)

	// Nothing is cached now: cached is a chatbot like any other.
	f.strike(r)
	r.invalidate()
	r.gets(cached, f.fresh)
	f.mend(r)
	r.invalidate()
	for _, chatbot := range []string{cached, fresh} {
		if got := r.asks(chatbot); got != paidByOwner {
			t.Errorf("%s after /-/invalidate: got %s, want %s at once", chatbot, got, paidByOwner)
		}
	}
	f.isToldOnce(r, time.Since(began))
	r.nobodyElsePaid()
	if f.says == "" {
		return fmt.Sprintf("| %-25s | %-25s | nothing was amiss", f.cached, f.fresh)
	}
	return fmt.Sprintf("| %-25s | %-25s | by itself within %.1f s; at once by invalidate", f.cached, f.fresh, healed.Seconds())
}

// takesEffect waits until the sidecar has met the fault. Until then cached is
// served, and afterwards as well if that is its lot.
func (f *awsFault) takesEffect(r *awsRig) {
	r.t.Helper()
	if f.says == "" { // then it has refreshed three times
		queries, skewed := r.w.Count("dynamodb:Query"), r.w.Skewed()
		eventually(r.t, "keys are confirmed anew", func() bool {
			r.gets(cached, paidByOwner)
			return r.w.Count("dynamodb:Query") > queries+3
		})
		if strings.Contains(f.name, "clock") && r.w.Skewed() == skewed {
			r.t.Error("no call was refused for its time: nothing was tested")
		}
		r.gets(fresh, paidByOwner)
		return
	}
	eventually(r.t, "the log says "+f.says, func() bool {
		if got := r.asks(cached); got != paidByOwner && got != f.cached {
			r.t.Fatalf("%s got %s", cached, got)
		}
		return f.told(r) != nil
	})
}

// told returns the log line of the fault.
func (f *awsFault) told(r *awsRig) map[string]any {
	for _, line := range r.lines("keys could not be loaded") {
		if strings.Contains(line["error"].(string), f.says) {
			return line
		}
	}
	return nil
}

// isTold looks at what an operator sees while it lasts.
func (f *awsFault) isTold(r *awsRig) {
	r.t.Helper()
	if f.says == "" {
		if health := r.health(); health != "ok" || len(r.lines("keys could not be loaded")) > 0 {
			r.t.Errorf("something is amiss: %s, %v", health, r.lines("keys could not be loaded"))
		}
		return
	}
	line := f.told(r)
	if line["chatbot"] != cached || line["level"] != "warn" || !strings.Contains(line["error"].(string), f.todo) {
		r.t.Errorf("the line %v does not say for whom, or what to do: %q", line, f.todo)
	}
	if f.oneRow {
		if health := r.health(); health != "ok" {
			r.t.Errorf("/readyz says %q for the sake of a row", health)
		}
	} else {
		eventually(r.t, "/readyz says "+f.says, func() bool { return strings.Contains(r.health(), f.says) })
	}
	if f.fresh != turnedAway {
		return
	}
	for _, line := range r.lines("request") {
		if line["error"] == "keys_unavailable" && !strings.Contains(fmt.Sprint(line["cause"]), f.todo) {
			r.t.Errorf("an access line does not say why it was refused: %v", line)
		}
	}
}

// isToldOnce counts lines: a few reasons, each once in ten seconds.
func (f *awsFault) isToldOnce(r *awsRig, took time.Duration) {
	r.t.Helper()
	reasons := map[string]bool{}
	lines := r.lines("keys could not be loaded")
	for _, line := range lines {
		reasons[reasonWords(line["error"].(string))] = true
	}
	if most := len(reasons) * (1 + int(took/complaintPause)); len(lines) > most || len(reasons) > 3 {
		r.t.Errorf("%d lines of %d reasons in %v, want at most %d", len(lines), len(reasons), took, most)
	}
}

// reasonWords cuts a line down to the call and the code.
func reasonWords(s string) string {
	s = strings.TrimPrefix(s, "key#openai: ")
	parts := strings.SplitN(s, ": ", 4)
	return strings.Join(parts[:min(3, len(parts))], ": ")
}

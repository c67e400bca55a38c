package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A PeersPlan is a run of peers: which, and how they are measured.
type PeersPlan struct {
	Self  Self
	Peers []string // names; none: all that this machine has or can make
	// Plain and Secure say which upstreams there are: plaintext, TLS, or both.
	Plain, Secure bool
	Measures      []string // names of MeasureNames; none: all

	Rounds      int
	Duration    time.Duration
	Warmup      time.Duration
	Connections int     // closed loop
	Streams     int     // of the measure stream
	EventRate   float64 // of those, per second and stream
	Open        int     // streams of the measure memory
	// Pin keeps the peers on some CPUs, driver and upstream on the others.
	Pin bool
	// FoundOnly leaves out peers that would have to be built or installed first.
	FoundOnly bool
}

// Measures beside the scenarios chat, long, image and stream, whose names they
// bear otherwise.
const (
	MeasureMemory = "memory" // many streams open at once
	MeasureHalf   = "half"   // chat in the open loop, at half of what can be done at most
)

// MeasureNames are all measures of peers.
func MeasureNames() []string {
	return []string{ScenarioChat, ScenarioLong, ScenarioImage, ScenarioStream, MeasureMemory, MeasureHalf}
}

// Parts of a run of peers: each is a run of its own in the file of results, and
// starts the peers anew, so that memory of one load is not taken for that of the
// next.
const (
	PartTag = "part" // name of the tag in a run's settings

	partUnary  = "requests"
	partStream = "streams"
	partMemory = "open streams"
	partHalf   = "half rate"
)

// A part is what is measured with one start of the peers.
type part struct {
	name   string
	secure bool
	Settings
}

const (
	// memoryRate is the events per second of an open stream: as many as a slow
	// model's words, so that 5000 of them are no load.
	memoryRate = 1
	// memoryFill is the longest time that is waited until all are open. Over TLS
	// each needs a handshake: 5000 took 3 s on an idle machine, minutes on one that
	// was ten times overloaded.
	memoryFill = 2 * time.Minute
	// halfConnections is the most that the open loop may have at once.
	halfConnections = 1000
)

func (p *PeersPlan) wants(measure string) bool {
	return len(p.Measures) == 0 || slices.Contains(p.Measures, measure)
}

// parts are all but the last, which needs the rates of the first.
func (p *PeersPlan) parts(secure bool) []part {
	base := Settings{
		Rounds: p.Rounds, Duration: p.Duration, Warmup: p.Warmup, Connections: p.Connections, Timeout: 30 * time.Second,
		OwnUpstream: true, UpstreamTLS: secure, Burst: 1,
	}
	var out []part
	add := func(name string, s Settings) {
		s.Tags = map[string]string{PartTag: name}
		out = append(out, part{name, secure, s})
	}
	unary := base
	for _, name := range []string{ScenarioChat, ScenarioLong, ScenarioImage} {
		// TLS costs by the byte alike for all sizes; DESIGN asks for chat only.
		if p.wants(name) && (!secure || name == ScenarioChat) || name == ScenarioChat && !secure && p.wants(MeasureHalf) {
			unary.Scenarios = append(unary.Scenarios, name)
		}
	}
	if len(unary.Scenarios) > 0 {
		add(partUnary, unary)
	}
	if p.wants(ScenarioStream) {
		s := base
		s.Scenarios, s.Streams, s.EventRate, s.Events = []string{ScenarioStream}, p.Streams, p.EventRate, 100
		add(partStream, s)
	}
	if p.wants(MeasureMemory) {
		s := base
		s.Scenarios, s.Streams, s.EventRate = []string{ScenarioStream}, p.Open, memoryRate
		s.Warmup = max(p.Warmup, time.Duration(p.Open)*time.Millisecond/2) // half of it is spent on opening them
		s.Fill, s.Timeout = memoryFill, memoryFill
		s.Events = 2 + int((s.Warmup+s.Fill+s.Duration).Seconds()*memoryRate) // none of them ends before the round does
		add(partMemory, s)
	}
	return out
}

// half is the last part: an open loop at a rate that sidekey and nginx both take
// easily.
func (p *PeersPlan) half(rate float64) part {
	return part{partHalf, false, Settings{
		Scenarios: []string{ScenarioChat}, Rounds: p.Rounds, Duration: p.Duration, Warmup: p.Warmup, Connections: halfConnections,
		Rate: rate, Timeout: 30 * time.Second, OwnUpstream: true, Burst: 1, Tags: map[string]string{PartTag: partHalf},
	}}
}

// time is how long a part takes with so many targets.
func (s *Settings) time(targets int) time.Duration {
	return time.Duration(s.Rounds*len(s.Scenarios)*targets) * (s.Warmup + s.Duration)
}

// Check says all that is wrong with the plan, as Problems.
func (p *PeersPlan) Check() error {
	var c checker
	for _, name := range p.Measures {
		if !slices.Contains(MeasureNames(), name) {
			c.say("--scenario: there is no %q; name some of %s", name, strings.Join(MeasureNames(), ", "))
		}
	}
	for _, name := range p.Peers {
		if !slices.Contains(PeerNames(), name) {
			c.say("--peers: there is no %q; name some of %s", name, strings.Join(PeerNames(), ", "))
		}
	}
	if !p.Plain && !p.Secure {
		c.add(fmt.Errorf("neither a plaintext nor a TLS upstream is asked for; give --tls=both, or leave --tls away"))
	}
	if p.wants(MeasureHalf) && !p.Plain && len(p.Measures) > 0 {
		c.say("--scenario half is measured in front of a plaintext upstream only; give --tls=both, or leave --tls away")
	}
	between(&c, "--rounds", p.Rounds, 1, mostRounds)
	between(&c, "--duration", p.Duration, leastDuration, mostDuration)
	between(&c, "--warmup", p.Warmup, 0, mostDuration)
	between(&c, "--connections", p.Connections, 1, mostConnections)
	between(&c, "--streams", p.Streams, 1, mostConnections)
	between(&c, "--event-rate", p.EventRate, 0.1, 100_000)
	between(&c, "--open", p.Open, 1, mostOpen)
	return join(c.wrong)
}

// mostOpen is what the peers' configurations have room for.
const mostOpen = 16_000

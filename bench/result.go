package bench

import (
	"time"
)

// A file of results holds one JSON value a line: the Run first, then each Round
// as it ends. Everything that a report says is computed from it, so it can be
// said again, later and elsewhere.

// Format is the version of the file of results. A reader refuses another one.
const Format = 1

// A Run says what was measured, where and how.
type Run struct {
	Format   int       `json:"format"`
	Version  string    `json:"version,omitempty"` // of bench
	Started  time.Time `json:"started"`
	Machine  Machine   `json:"machine"`
	Settings Settings  `json:"settings"`
	Targets  []Target  `json:"targets"`
}

// A Machine is where it was measured. All of it ran there: the driver, the
// upstream and the proxies.
type Machine struct {
	OS     string  `json:"os"`
	Kernel string  `json:"kernel,omitempty"`
	CPU    string  `json:"cpu,omitempty"`
	CPUs   int     `json:"cpus"`
	Memory int64   `json:"memory_bytes,omitempty"`
	Go     string  `json:"go"`
	Load   float64 `json:"load,omitempty"` // of the last minute, before the run
}

// Settings are what the rounds have in common.
type Settings struct {
	Scenarios   []string          `json:"scenarios"`
	Rounds      int               `json:"rounds"`
	Duration    time.Duration     `json:"duration_ns"`       // of one round
	Warmup      time.Duration     `json:"warmup_ns"`         // before each round, not counted
	Fill        time.Duration     `json:"fill_ns,omitempty"` // longest wait after it until all streams are open
	Connections int               `json:"connections"`       // closed loop
	Rate        float64           `json:"rate,omitempty"`
	RateEnd     float64           `json:"rate_end,omitempty"` // ramped from Rate to this
	Streams     int               `json:"streams,omitempty"`
	Events      int               `json:"events,omitempty"`       // of one stream
	EventRate   float64           `json:"event_rate,omitempty"`   // per second and stream
	Burst       int               `json:"burst,omitempty"`        // events at once
	Timeout     time.Duration     `json:"timeout_ns,omitempty"`   // longest wait for a byte, or for a connection
	Recorded    string            `json:"recorded,omitempty"`     // name of the file of recorded requests
	OwnUpstream bool              `json:"own_upstream,omitempty"` // it ran in the driver's process
	DriverCPUs  string            `json:"driver_cpus,omitempty"`  // such as "0", "" for all
	TargetCPUs  string            `json:"target_cpus,omitempty"`  // of the processes that bench started
	UpstreamTLS bool              `json:"upstream_tls,omitempty"` // of the peers
	Tags        map[string]string `json:"tags,omitempty"`
}

// A Target is one way to the same upstream. The one named Direct has nothing in
// between.
type Target struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	PID     int    `json:"pid,omitempty"` // of a process on this machine, with its children
	Version string `json:"version,omitempty"`
	Note    string `json:"note,omitempty"` // what was switched on
}

// Direct is the name of the target that every other is compared to.
const Direct = "direct"

// A Round is what one target did in one slice of time. Rounds are interleaved,
// see Plan.Run.
type Round struct {
	Target   string        `json:"target"`
	Scenario string        `json:"scenario"`
	Number   int           `json:"round"` // from 1
	Started  time.Time     `json:"started"`
	Elapsed  time.Duration `json:"elapsed_ns"`

	Requests int64            `json:"requests"`       // that ended well
	Left     int64            `json:"left,omitempty"` // broken off on purpose (scenario churn); not in Requests or Latency
	Events   int64            `json:"events,omitempty"`
	BytesIn  int64            `json:"bytes_in"` // of reply bodies
	BytesOut int64            `json:"bytes_out"`
	Errors   map[string]int64 `json:"errors,omitempty"` // by kind: "dial", "reset", "timeout", "cut", "status 503"…

	// Times in nanoseconds. In the open loop Latency and First count from the
	// moment at which the request was planned.
	Latency Histogram `json:"latency"`
	First   Histogram `json:"first"` // first byte of the body, or the first event
	Gap     Histogram `json:"gap"`   // between two events of a stream
	Late    Histogram `json:"late"`  // open loop: from the planned moment to the sending, the driver's own

	Process *Usage `json:"process,omitempty"` // of the target
	Driver  *Usage `json:"driver,omitempty"`  // of bench itself, and of the upstream if it runs there
	Series  []Tick `json:"series,omitempty"`  // one each second
	// Short says that the driver or the upstream was late, so that what is seen is
	// not the target's doing, and by what that was seen. The round must not be
	// used then.
	Short string `json:"short,omitempty"`
	// Capped says that in the closed loop the target could have done more than
	// driver and upstream gave it to do, and by what that was seen. Rate and times
	// are not the target's then; CPU time, memory and errors are.
	Capped string `json:"capped,omitempty"`
}

// A Usage is what a process and its children used in a round.
type Usage struct {
	User     time.Duration `json:"user_ns"`
	System   time.Duration `json:"system_ns"`
	Resident int64         `json:"resident_bytes"`    // at the end, proportional share
	Idle     int64         `json:"idle_bytes"`        // before any load of the run: memory kept for the next round is not idle
	Peak     int64         `json:"peak_bytes"`        // highest seen in the round
	Switches int64         `json:"switches"`          // voluntary context switches
	Forced   int64         `json:"forced"`            // involuntary ones
	Streams  int           `json:"streams,omitempty"` // open while Resident was taken
	Threads  int           `json:"threads,omitempty"`
}

// CPU is user and system time together.
func (u *Usage) CPU() time.Duration { return u.User + u.System }

// A Tick is one second of a round. Its quantiles are of the latency, or of the
// gap between events in a second that had events.
type Tick struct {
	Requests int64         `json:"n"`
	Events   int64         `json:"ev,omitempty"`
	Errors   int64         `json:"err,omitempty"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
}

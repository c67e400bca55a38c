package bench

import (
	"math"
	"time"
)

// A pace says when requests are due in the open loop: from the rate From per
// second to the rate To, in a straight line over the time Over, or From without
// end if Over is 0. The times are computed from a request's number, never
// counted up from the sending of the one before: a late request does not delay
// those after it.
type pace struct {
	from, to float64
	over     time.Duration
}

// at is when request i, from 0, is due. The area under the rate up to then is i.
func (p pace) at(i int64) time.Duration {
	var slope float64 // change of the rate per second
	if p.over > 0 {
		slope = (p.to - p.from) / p.over.Seconds()
	}
	root := p.from*p.from + 2*slope*float64(i)
	if root < 0 { // the rate has come down to 0 before
		return math.MaxInt64
	}
	below := p.from + math.Sqrt(root)
	switch {
	case i == 0:
		return 0
	case below <= 0:
		return math.MaxInt64
	}
	seconds := 2 * float64(i) / below // the solution that stays exact when slope is 0
	if seconds > math.MaxInt64/float64(2*time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds * float64(time.Second))
}

// A due request has a number and a planned moment.
type due struct {
	number  int64
	planned time.Duration
	warm    bool // of the warm-up: not counted
}

// A pacer hands requests out as they become due: first those of the warm-up, at
// the pace's first rate, then those of the pace until end. It never skips one:
// when all connections are busy it waits for one, and then hands out all that
// have become due meanwhile, each with its planned moment. So a target that
// stalls, or cannot sustain the rate, shows as latency.
//
// What has waited for a connection longer than patience, and what still waits
// for one at the time grace after the end, is given up, and counted by lost.
type pacer struct {
	pace     pace
	warmup   time.Duration // from begin
	begin    time.Duration // moments
	end      time.Duration
	patience time.Duration
	hand     func(d due, until time.Duration) bool // to a worker, waiting at most until then
	lost     func(n int64)
}

// grace is how long after the end of a round requests that are due by then may
// still be sent.
const grace = 2 * time.Second

// run hands out all requests, or stops when alarm is closed.
func (p *pacer) run(a *alarm) {
	p.phase(a, pace{from: p.pace.from}, p.begin, p.begin+p.warmup, true)
	p.phase(a, p.pace, p.begin+p.warmup, p.end, false)
}

func (p *pacer) phase(a *alarm, pace pace, begin, end time.Duration, warm bool) {
	for i := int64(0); ; i++ {
		offset := pace.at(i)
		if offset >= end-begin {
			return
		}
		d := due{number: i, planned: begin + offset, warm: warm}
		if d.planned > now() {
			a.set(d.planned)
			if a.wait() != nil {
				return
			}
		}
		if !p.hand(d, min(d.planned+p.patience, p.end+grace)) && !warm {
			p.lost(1)
		}
	}
}

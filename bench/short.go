package bench

import (
	"fmt"
	"time"
)

const (
	// lateBound is how late the driver may send, in 99 of 100 requests: as much as
	// this, or a tenth of the latency's median if that is more. What is later is
	// seen as latency that no target caused.
	lateBound = time.Millisecond
	// busyBound is the share of its CPUs from which on a process is taken to be at
	// its limit.
	busyBound = 0.95
	// aheadBound is how many times a target's rate the direct one must be, in the
	// closed loop, for the target and not the driver to be what limits it.
	aheadBound = 2
	// bunchBound is how late the upstream may send events, in 99 of 100, as a share
	// of the pause between them: what comes later comes together with the next,
	// and then each costs less to pass on.
	bunchBound = 0.5
	// rhythmBound is the share of the planned events that must have come on the
	// direct way for the rhythm to have been kept.
	rhythmBound = 0.95
)

// judge says of a round whether the driver or the upstream was its limit. It
// knows the direct round of the same number, if that came before.
func (p *Plan) judge(r *Round) {
	if r.Target == Direct {
		p.base[r.Scenario] = *r
	}
	base, compared := p.base[r.Scenario]
	compared = compared && base.Number == r.Number
	switch {
	case p.Rate > 0:
		r.Short = p.late(r)
	case r.Scenario == ScenarioStream && p.EventRate > 0:
		r.Short = p.outOfRhythm(r, base, compared)
	case r.Target != Direct: // which nothing but the driver can limit
		r.Capped = p.capped(r, base, compared)
	}
}

// late is for the open loop.
func (p *Plan) late(r *Round) string {
	bound := max(lateBound, r.Latency.Quantile(0.5)/10)
	if late := r.Late.Quantile(0.99); late > bound {
		return fmt.Sprintf("the driver sent one request in a hundred %v late or more", late.Round(10*time.Microsecond))
	}
	return p.tooBusy(r)
}

// outOfRhythm compares the events with those that were due. Streams that end
// and begin again miss a few.
func (p *Plan) outOfRhythm(r *Round, base Round, compared bool) string {
	pause := time.Duration(float64(max(p.Burst, 1)) / p.EventRate * float64(time.Second))
	bound := max(lateBound, time.Duration(bunchBound*float64(pause)))
	if late := r.Late.Quantile(0.99); late > bound {
		return fmt.Sprintf("the upstream sent one event in a hundred %v late or more", late.Round(10*time.Microsecond))
	}
	planned := float64(p.Streams) * p.EventRate * base.Elapsed.Seconds()
	if compared && float64(base.Events) < rhythmBound*planned {
		return fmt.Sprintf("on the direct way only %.0f %% of the events came in time", 100*float64(base.Events)/planned)
	}
	return p.tooBusy(r)
}

// capped is for the closed loop. A process that uses all its CPUs is the limit,
// however busy the driver.
func (p *Plan) capped(r *Round, base Round, compared bool) string {
	if cpus, _ := ParseCPUs(p.TargetCPUs); len(cpus) > 0 && busy(r.Process, r, len(cpus)) >= busyBound {
		return ""
	}
	if compared && rate(&base) < aheadBound*rate(r) {
		return fmt.Sprintf("direct was only %.1f times as fast", rate(&base)/rate(r))
	}
	return p.tooBusy(r)
}

func (p *Plan) tooBusy(r *Round) string {
	if b := busy(r.Driver, r, driverCPUs()); b >= busyBound {
		return fmt.Sprintf("the driver used %.0f %% of its CPUs", 100*b)
	}
	return ""
}

// busy is the share of so many CPUs that a process used, 0 if that is not known.
func busy(u *Usage, r *Round, cpus int) float64 {
	if u == nil || r.Elapsed <= 0 {
		return 0
	}
	return u.CPU().Seconds() / r.Elapsed.Seconds() / float64(cpus)
}

func rate(r *Round) float64 { return float64(r.Requests+r.Left) / r.Elapsed.Seconds() }

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
	// busyBound is the share of its CPUs from which on the driver is taken to be
	// the limit.
	busyBound = 0.95
	// aheadBound is how many times a target's rate the direct one must be, in the
	// closed loop, for the target and not the driver to be what limits it.
	aheadBound = 2
	// pausedBound is the share of the planned events that must have come on the
	// direct way for the rhythm to have been kept.
	pausedBound = 0.95
)

// short says by what it is seen that the driver or the upstream was the limit
// of a round, or "". It knows the direct round of the same number.
func (p *Plan) short(r *Round) string {
	if r.Target == Direct {
		p.base[r.Scenario] = *r
	}
	base, compared := p.base[r.Scenario]
	if compared && base.Number != r.Number {
		compared = false
	}
	if p.Rate > 0 {
		return p.shortOpen(r)
	}
	if r.Scenario == ScenarioStream && p.EventRate > 0 {
		return p.shortStream(r, base, compared)
	}
	if r.Target == Direct {
		return "" // in the closed loop nothing but the driver limits it
	}
	if busy := p.busy(r); busy >= busyBound {
		return fmt.Sprintf("the driver used %.0f %% of its CPUs", 100*busy)
	}
	if compared && rate(&base) < aheadBound*rate(r) {
		return fmt.Sprintf("direct was only %.1f times as fast", rate(&base)/rate(r))
	}
	return ""
}

func (p *Plan) shortOpen(r *Round) string {
	bound := max(lateBound, r.Latency.Quantile(0.5)/10)
	if late := r.Late.Quantile(0.99); late > bound {
		return fmt.Sprintf("the driver sent one request in a hundred %v late or more", late.Round(10*time.Microsecond))
	}
	if busy := p.busy(r); busy >= busyBound {
		return fmt.Sprintf("the driver used %.0f %% of its CPUs", 100*busy)
	}
	return ""
}

// shortStream compares the events with those that were due. Streams that end
// and begin again miss a few.
func (p *Plan) shortStream(r *Round, base Round, compared bool) string {
	if busy := p.busy(r); busy >= busyBound {
		return fmt.Sprintf("the driver used %.0f %% of its CPUs", 100*busy)
	}
	planned := float64(p.Streams) * p.EventRate * base.Elapsed.Seconds()
	if compared && float64(base.Events) < pausedBound*planned {
		return fmt.Sprintf("on the direct way only %.0f %% of the events came in time", 100*float64(base.Events)/planned)
	}
	return ""
}

// busy is the share of its CPUs that the driver used, 0 if that is not known.
func (p *Plan) busy(r *Round) float64 {
	if r.Driver == nil || r.Elapsed <= 0 {
		return 0
	}
	return r.Driver.CPU().Seconds() / r.Elapsed.Seconds() / float64(driverCPUs())
}

func rate(r *Round) float64 { return float64(r.Requests+r.Left) / r.Elapsed.Seconds() }

package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// PeersHelp is what a run of peers leaves to its caller.
type PeersHelp struct {
	// Measure runs a plan, keeps its results and shows how far it is.
	Measure func(context.Context, *Plan, Run) (Results, error)
	Tell    func(string) // a line for people who wait
}

// A peersRun is a run of peers while it goes on.
type peersRun struct {
	*PeersPlan
	help    PeersHelp
	yard    *yard
	driver  CPUs
	found   []*Peer
	results []Results
}

// Run finds, checks and measures the peers, and returns the results of all
// parts, with an error also those that there are. Whatever ends it, no process
// of it is left.
func (p *PeersPlan) Run(ctx context.Context, help PeersHelp) (results []Results, err error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	r := &peersRun{PeersPlan: p, help: help}
	var target CPUs
	if p.Pin {
		r.driver, target = splitCPUs(allowedCPUs())
	}
	if r.yard, err = newYard(target); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.yard.close()) }()
	if err := shareFiles(); err != nil {
		return nil, err
	}
	if err := r.find(ctx); err != nil {
		return nil, err
	}
	if err := PinDriver(r.driver); err != nil { // after the builds, which may use all
		return nil, err
	}
	err = r.measure(ctx)
	return r.results, err
}

// find finds the peers, and leaves out those that do another job.
func (r *peersRun) find(ctx context.Context) error {
	w, err := newWorkshop(r.FoundOnly, r.help.Tell)
	if err != nil {
		return err
	}
	found, out, err := findPeers(ctx, w, r.Peers)
	if err != nil {
		return err
	}
	for _, o := range out {
		r.help.Tell(fmt.Sprintf("%s is left out: %s", o.Name, o.Why))
	}
	for _, p := range append([]*Peer{r.Self.peer()}, found...) {
		switch err := r.check(ctx, p); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && p.Name == SelfName:
			return fmt.Errorf("sidekey itself cannot be measured: %w", err)
		case err != nil:
			r.help.Tell(fmt.Sprintf("%s is left out: %v", p.Name, err))
		default:
			r.help.Tell(strings.TrimSpace(fmt.Sprintf("%s %s does the job %s", p.Name, p.Version, p.Note)))
			r.found = append(r.found, p)
		}
	}
	return nil
}

// check looks at a peer in front of each kind of upstream that is asked for.
func (r *peersRun) check(ctx context.Context, p *Peer) error {
	for _, secure := range r.upstreams() {
		if err := p.check(ctx, r.yard, secure); err != nil {
			return err
		}
	}
	return nil
}

// upstreams are the kinds of upstream: false for plaintext, true for TLS.
func (r *peersRun) upstreams() []bool {
	var kinds []bool
	if r.Plain {
		kinds = append(kinds, false)
	}
	if r.Secure {
		kinds = append(kinds, true)
	}
	return kinds
}

// measure goes through all parts.
func (r *peersRun) measure(ctx context.Context) (err error) {
	var parts []part
	for _, secure := range r.upstreams() {
		parts = append(parts, r.parts(secure)...)
	}
	var all time.Duration
	for _, pt := range parts {
		all += pt.time(1 + len(r.found))
	}
	if r.Plain && r.wants(MeasureHalf) {
		half := r.half(1)
		all += half.time(1 + len(r.found))
	}
	r.help.Tell(fmt.Sprintf("Measuring takes about %v.", all.Round(time.Second)))
	for _, pt := range parts {
		if err := r.part(ctx, pt, r.found); err != nil {
			return err
		}
	}
	if !r.Plain || !r.wants(MeasureHalf) {
		return nil
	}
	rate, able, why := halfRate(NewPeersTable(r.results), r.found)
	if why != "" {
		r.help.Tell("half is left out: " + why)
		return nil
	}
	for _, p := range r.found {
		if !slices.Contains(able, p) {
			r.help.Tell(fmt.Sprintf("%s is left out of half: it cannot take %.0f requests per second", p.Name, rate))
		}
	}
	rate, err = r.steady(rate, func(rate float64) (string, error) { return r.trial(ctx, rate) })
	if err != nil {
		return err
	}
	return r.part(ctx, r.half(rate), able)
}

// steadyTries is how often a rate is halved in search of a steady one.
const steadyTries = 4

// steady is rate, or the first half of it, half of that, and so on, at which the
// driver sends in time: at a higher one its own lateness is what is measured.
func (r *peersRun) steady(rate float64, trial func(rate float64) (late string, err error)) (float64, error) {
	for range steadyTries {
		late, err := trial(rate)
		if late == "" || err != nil {
			return rate, err
		}
		r.help.Tell(fmt.Sprintf("At %.0f requests per second %s: half of that is tried.", rate, late))
		rate = math.Floor(rate / 2)
	}
	return rate, nil
}

// trial says how late the driver sends at a rate, with nobody between it and the
// upstream; nothing if it is in time.
func (r *peersRun) trial(ctx context.Context, rate float64) (late string, err error) {
	u, err := StartUpstream(UpstreamConfig{})
	if err != nil {
		return "", err
	}
	defer u.Close()
	plan := Plan{Settings: r.half(rate).Settings, Upstream: u, Targets: []Target{{Name: Direct, URL: u.URL()}}}
	plan.Rounds = 1
	err = plan.Run(ctx, func(r Round) error { late = r.Short; return nil }, func(Progress) {})
	return late, err
}

// part measures one part, with the peers started anew.
func (r *peersRun) part(ctx context.Context, pt part, peers []*Peer) (err error) {
	config := UpstreamConfig{}
	plan := Plan{Settings: pt.Settings, Authorities: x509.NewCertPool()}
	if pt.secure {
		config.TLS = r.yard.authority.TLS
		plan.Authorities.AppendCertsFromPEM(r.yard.authority.PEM)
	}
	u, err := StartUpstream(config)
	if err != nil {
		return err
	}
	defer u.Close()
	plan.Upstream = u
	f, err := startFleet(ctx, r.yard, peers, u.Addr(), pt.secure)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	plan.DriverCPUs, plan.TargetCPUs = r.driver.String(), r.yard.cpus.String()
	plan.Targets = append([]Target{{Name: Direct, URL: u.URL()}}, f.targets()...)
	run := Run{Format: Format, Version: Version(), Started: time.Now(), Machine: ThisMachine(), Settings: plan.Settings, Targets: plan.Targets}
	watched, stop := f.watch(ctx)
	defer stop()
	res, err := r.help.Measure(watched, &plan, run)
	r.results = append(r.results, res)
	if cause := context.Cause(watched); cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

// able is by how much a peer's highest rate must exceed a rate for it to be
// measured at that: nearer to the limit latency tells of the limit only.
const ableBound = 1.25

// halfRate is half of the lower one of sidekey's and nginx's highest rates, so
// that both are compared at the same rate, and the peers that can take it. Where
// the driver was the limit it is half of that, which is less.
func halfRate(t *PeersTable, peers []*Peer) (rate float64, able []*Peer, why string) {
	highest := map[string]Stat{}
	for _, row := range t.Rows {
		if row.part == partUnary && !row.secure && row.scenario == ScenarioChat && row.metric == "rps" {
			highest = row.Figures
		}
	}
	for _, name := range []string{SelfName, "nginx"} {
		r := highest[name].Median
		if r == 0 {
			return 0, nil, "the highest rate of " + name + " is not known"
		}
		if rate == 0 || r/2 < rate {
			rate = r / 2
		}
	}
	rate = math.Floor(rate)
	for _, p := range peers {
		if highest[p.Name].Median >= ableBound*rate {
			able = append(able, p)
		}
	}
	return rate, able, ""
}

// splitCPUs gives a quarter of the CPUs, at least one, to the peers, and the
// rest to driver and upstream, which have to be several times as fast. One CPU
// cannot be split.
func splitCPUs(all CPUs) (driver, target CPUs) {
	if len(all) < 2 {
		return nil, nil
	}
	n := max(1, len(all)/4)
	return all[:len(all)-n], all[len(all)-n:]
}

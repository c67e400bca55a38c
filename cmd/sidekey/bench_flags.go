package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sidekey/sidekey/bench"
)

// A benchRun is what the flags of bench come to.
type benchRun struct {
	plan   bench.Plan
	starts map[string]string // command lines, by target
	driver bench.CPUs
	target bench.CPUs
}

// openConnections is the most connections with --rate, unless another number is
// given: enough for a rate of 1000 at a latency of a second.
const openConnections = 1000

// understand reads all flags, and says all that is wrong with them at once. No
// message repeats a value that may be a secret: URLs and headers.
func (f *benchFlags) understand() (*benchRun, error) {
	run := &benchRun{plan: f.plan, starts: map[string]string{}}
	var wrong []error
	note := func(err error) {
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	note(f.output.read())
	note(f.readTargets(run))
	note(f.readRate(&run.plan))
	note(f.readRecording(&run.plan))
	var err error
	if run.driver, err = bench.ParseCPUs(f.driverCPUs); err != nil {
		note(fmt.Errorf("--driver-cpus: %w", err))
	}
	if run.target, err = bench.ParseCPUs(f.targetCPUs); err != nil {
		note(fmt.Errorf("--target-cpus: %w", err))
	}
	run.plan.DriverCPUs, run.plan.TargetCPUs = run.driver.String(), run.target.String()
	if f.direct != "" && (f.changed("upstream") || f.changed("upstream-tls")) {
		note(errors.New("--direct names an upstream that runs already, so there is none for --upstream and --upstream-tls; leave one of them away"))
	}
	if run.plan.Authorities, err = readAuthorities(f.authorities); err != nil {
		note(fmt.Errorf("--ca-file: %w", err))
	}
	run.plan.OwnUpstream, run.plan.UpstreamTLS = f.direct == "", f.upstreamTLS != "" || strings.HasPrefix(f.direct, "https:")
	note(run.plan.Check())
	return run, errors.Join(wrong...)
}

// ownUpstream stands for the URL of bench's own upstream until that is known.
const ownUpstream = "http://127.0.0.1"

func (f *benchFlags) readTargets(run *benchRun) error {
	var wrong []error
	direct := f.direct
	if direct == "" {
		direct = ownUpstream
	}
	run.plan.Targets = []bench.Target{{Name: bench.Direct, URL: direct}}
	for _, s := range f.targets {
		name, url, ok := strings.Cut(s, "=")
		if !ok || strings.Contains(name, "/") {
			wrong = append(wrong, errors.New("--target needs a name; write name=url, such as nginx=http://127.0.0.1:8080"))
			continue
		}
		run.plan.Targets = append(run.plan.Targets, bench.Target{Name: name, URL: url})
	}
	find := func(flag, s, example string) (*bench.Target, string) {
		name, value, ok := strings.Cut(s, "=")
		i := slices.IndexFunc(run.plan.Targets, func(t bench.Target) bool { return t.Name == name })
		switch {
		case !ok || value == "":
			wrong = append(wrong, fmt.Errorf("%s needs the name of a target; write such as %s", flag, example))
		case i < 0:
			wrong = append(wrong, fmt.Errorf("%s: there is no target %s; name it with --target %s=url", flag, quote(name), name))
		default:
			return &run.plan.Targets[i], value
		}
		return nil, ""
	}
	for _, s := range f.pids {
		if t, value := find("--pid", s, "nginx=4711"); t != nil {
			pid, err := strconv.Atoi(value)
			if err != nil || pid < 1 {
				wrong = append(wrong, fmt.Errorf("--pid: the process of %s is no number; write such as %s=4711", t.Name, t.Name))
			}
			t.PID = pid
		}
	}
	for _, s := range f.starts {
		if t, value := find("--start", s, "nginx='nginx -c bench.conf'"); t != nil {
			switch {
			case t.PID != 0:
				wrong = append(wrong, fmt.Errorf("--start and --pid both name %s; leave --pid away: its process is known when it has been started", t.Name))
			case t.Name == bench.Direct && f.direct == "":
				wrong = append(wrong, errors.New("--start direct: bench starts its own upstream; say with --direct where the started one listens"))
			}
			run.starts[t.Name] = value
		}
	}
	return errors.Join(wrong...)
}

// readRate reads R or R:R2.
func (f *benchFlags) readRate(p *bench.Plan) error {
	if f.rate == "" {
		return nil
	}
	if !f.changed("connections") {
		p.Connections = openConnections
	}
	begin, end, ramp := strings.Cut(f.rate, ":")
	var err1, err2 error
	p.Rate, err1 = strconv.ParseFloat(begin, 64)
	if ramp {
		p.RateEnd, err2 = strconv.ParseFloat(end, 64)
	}
	if errors.Join(err1, err2) != nil || p.Rate == 0 || ramp && p.RateEnd == 0 {
		p.Rate, p.RateEnd = 0, 0
		return errors.New("--rate is no number above 0; write such as 500, or 100:2000 for a rate that changes over the round")
	}
	return nil
}

func (f *benchFlags) readRecording(p *bench.Plan) error {
	named := slices.Contains(p.Scenarios, bench.ScenarioRecorded)
	if f.recorded == "" {
		return nil // a scenario without its file is the plan's to refuse
	}
	if !f.changed("scenario") {
		p.Scenarios = []string{bench.ScenarioRecorded}
	} else if !named {
		return errors.New("--recorded is given and --scenario does not name recorded; add it, or leave --scenario away")
	}
	file, err := os.Open(f.recorded)
	if err != nil {
		p.Recording = &bench.Recording{} // one complaint is enough
		return fmt.Errorf("--recorded: %w", err)
	}
	defer file.Close()
	p.Recording, err = bench.ReadRecording(file)
	if err != nil {
		p.Recording = &bench.Recording{}
		return fmt.Errorf("--recorded: %s cannot be used:\n%w", f.recorded, err)
	}
	p.Recorded = f.recorded[strings.LastIndexByte(f.recorded, os.PathSeparator)+1:]
	return nil
}

// readAuthorities reads a PEM file; nil for none.
func readAuthorities(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate; name a PEM file of certificates", name)
	}
	return pool, nil
}

package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/sidekey/sidekey/bench"
)

// bench measures, and prints.
func (a *app) bench(ctx context.Context, f *benchFlags) error {
	run, err := f.understand()
	if err != nil {
		return usage("bench cannot start:\n%w", err)
	}
	ctx, stop := a.interruptible(ctx) // before the first thing that is seen from outside
	defer stop()
	if err := bench.PinDriver(run.driver); err != nil {
		return err
	}
	if f.direct == "" {
		u, err := a.ownUpstream(f, run)
		if err != nil {
			return err
		}
		defer u.Close()
	}
	stopAll, err := run.startTargets(ctx)
	if err == nil {
		err = a.measure(ctx, run, f)
	}
	return errors.Join(err, stopAll())
}

// ownUpstream starts bench's own upstream as the target direct.
func (a *app) ownUpstream(f *benchFlags, run *benchRun) (*bench.Upstream, error) {
	u, err := startUpstream(bench.UpstreamConfig{Listen: f.upstream}, f.upstreamTLS, func(pem []byte) {
		if run.plan.Authorities == nil { // targets that others vouch for are still to be verified
			if run.plan.Authorities, _ = x509.SystemCertPool(); run.plan.Authorities == nil {
				run.plan.Authorities = x509.NewCertPool()
			}
		}
		run.plan.Authorities.AppendCertsFromPEM(pem)
	})
	if err != nil {
		return nil, err
	}
	run.plan.Targets[0].URL, run.plan.Upstream = u.URL(), u
	fmt.Fprintf(a.stderr, "The upstream listens on %s\n", u.URL())
	return u, nil
}

// startUpstream starts an upstream, with TLS if a file for the certificate of
// its authority is named.
func startUpstream(c bench.UpstreamConfig, authorityFile string, authority func(pem []byte)) (*bench.Upstream, error) {
	if authorityFile != "" {
		host, _, _ := net.SplitHostPort(c.Listen)
		ca, err := bench.NewAuthority(host)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(authorityFile, ca.PEM, 0o644); err != nil { // no secret: only the certificate
			return nil, err
		}
		authority(ca.PEM)
		c.TLS = ca.TLS
	}
	return bench.StartUpstream(c)
}

// startTargets starts those that have a command line, one after the other. What
// it returns first stops those that were started, also after an error.
func (run *benchRun) startTargets(ctx context.Context) (func() error, error) {
	var started []*bench.Process
	stop := func() (err error) {
		for _, p := range started {
			err = errors.Join(err, p.Stop())
		}
		return err
	}
	for i := range run.plan.Targets {
		t := &run.plan.Targets[i]
		line, ok := run.starts[t.Name]
		if !ok {
			continue
		}
		p, err := bench.StartProcess(ctx, t.Name, line, t.URL, run.target)
		if err != nil {
			return stop, err
		}
		started = append(started, p)
		t.PID = p.PID
	}
	return stop, nil
}

// measure runs the plan and reports it. What was measured before an interrupt is
// reported, but not judged.
func (a *app) measure(ctx context.Context, run *benchRun, f *benchFlags) error {
	p := &run.plan
	res, err := a.measurePlan(ctx, p, bench.Run{
		Format: bench.Format, Version: bench.Version(), Started: time.Now(), Machine: bench.ThisMachine(),
		Settings: p.Settings, Targets: p.Targets,
	}, f.out)
	if err != nil && ctx.Err() != nil {
		fmt.Fprintf(a.stderr, "Stopped after %d of %d rounds; the one that ran does not count.\n", len(res.Rounds), p.Rounds*len(p.Scenarios)*len(p.Targets))
		if len(res.Rounds) == 0 {
			return errSilent
		}
		f.output.forget()
		return errors.Join(a.writeReport(&f.output, []bench.Results{res}), errSilent)
	}
	if err != nil {
		return err
	}
	return a.writeReport(&f.output, []bench.Results{res})
}

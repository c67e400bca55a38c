package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/sidekey/sidekey/bench"
	"github.com/sidekey/sidekey/proxy"
	"github.com/sidekey/sidekey/proxy/trace"
)

// compileTrace hands the telemetry section over; nil if nothing is told.
func compileTrace(ld *loaded) (*trace.Config, []Problem) {
	t := &ld.Config.Telemetry
	if t.Endpoint == "" {
		return nil, nil
	}
	out := &trace.Config{Endpoint: t.Endpoint, Share: float64(min(max(t.SamplePercent, 0), 100)) / 100, Version: bench.Version()}
	if auth, ok := ld.Secrets["telemetry.auth"]; ok {
		out.Authorization = auth.Reveal
	}
	var problems []Problem
	dollars := func(i int, name, text string) float64 {
		if text == "" {
			return 0
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f >= 0 && f < 1e6) {
			problems = append(problems, Problem{
				Path: fmt.Sprintf("telemetry.prices[%d].%s", i, name), Wrong: quote(text) + " is not a price", Fix: "write dollars for a million tokens: \"1.25\"",
			})
			return 0
		}
		return f
	}
	for i, p := range t.Prices {
		price := trace.Price{Match: p.Match, Input: dollars(i, "input", p.Input), Cached: dollars(i, "cached", p.Cached), Output: dollars(i, "output", p.Output)}
		if p.Cached == "" {
			price.Cached = price.Input
		}
		out.Prices = append(out.Prices, price)
	}
	for _, p := range proxyProblems(out.Validate()) {
		p.Path = "telemetry." + p.Path
		problems = append(problems, p)
	}
	return out, problems
}

// A tracing is the tracer that is in force. A new configuration has a new one;
// the old one sends what it has in its own time.
type tracing struct {
	handler *proxy.Handler
	current atomic.Pointer[trace.Tracer]
	log     zerolog.Logger
}

// tracerEnd bounds how long a tracer may take to send its last spans.
const tracerEnd = 5 * time.Second

// set puts a configuration in force; nil ends telling.
func (t *tracing) set(c *trace.Config) error {
	var next *trace.Tracer
	if c != nil {
		config := *c
		config.OnError = func(err error) {
			t.log.Warn().Err(err).Str("remedy", "look at telemetry.endpoint, and at the receiver").
				Msg("spans are lost; requests are served all the same")
		}
		var err error
		if next, err = trace.New(config); err != nil {
			return err
		}
	}
	if next == nil {
		t.handler.Observe(nil)
	} else {
		t.handler.Observe(next.Record)
	}
	if old := t.current.Swap(next); old != nil {
		go closeTracer(old) // ends within tracerEnd
	}
	return nil
}

// close sends what waits.
func (t *tracing) close() {
	if old := t.current.Swap(nil); old != nil {
		closeTracer(old)
	}
}

func closeTracer(t *trace.Tracer) {
	ctx, cancel := context.WithTimeout(context.Background(), tracerEnd)
	defer cancel()
	_ = t.Close(ctx) // what could not be sent is counted and logged
}

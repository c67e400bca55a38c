package sandbox

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// try is an attempt to be made.
type try struct {
	host
	paid    Credential
	key     credential
	timeout time.Duration // when the provider does not answer
}

// modelTries are the attempts for one model, in order.
type modelTries struct {
	canonical string // model id in creator/model form
	tries     []try
	done      []Attempt // what came of them
}

// outcome is who served and who pays.
type outcome struct {
	id       string // generation id
	asked    string // model, as asked for
	model    string // canonical id of the model that answers, or of the first
	hosts    []host
	provider host // that answers; zero when none does
	paid     Credential
	keyID    string
	models   []modelTries
	err      *apiError // when all attempts failed
	started  time.Time
}

// order lists a model's attempts: the owner's keys first, in their order,
// then, as the real gateway does, the platform's credentials of the same
// provider and of the others.
func (g *Gateway) order(hosts []host, o *options) []try {
	hosts = slices.Clone(hosts)
	if len(o.only) > 0 { // empty: no pinning at all
		hosts = slices.DeleteFunc(hosts, func(h host) bool { return !slices.Contains(o.only, h.slug) })
	}
	rank := func(h host) int {
		if i := slices.Index(o.order, h.slug); i >= 0 {
			return i
		}
		return len(o.order)
	}
	slices.SortStableFunc(hosts, func(a, b host) int { return cmp.Compare(rank(a), rank(b)) })

	var tries []try
	if !o.zdr { // zero data retention skips the owner's keys
		for _, h := range hosts {
			for _, c := range o.byok[h.slug] {
				tries = append(tries, try{h, BYOK, c, cmp.Or(o.timeouts[h.slug], g.config.Timeout)})
			}
		}
	}
	if len(tries) > 0 && g.config.NoFallback {
		return tries
	}
	for _, h := range hosts {
		if o.noTraining && h.slug == "deepseek" { // not on the platform's no-training list
			continue
		}
		if g.system(h.slug) {
			tries = append(tries, try{h, System, credential{}, g.config.Timeout})
		}
	}
	return tries
}

// system reports whether the platform has a credential for the provider.
func (g *Gateway) system(slug string) bool {
	return g.config.SystemProviders == nil || slices.Contains(g.config.SystemProviders, slug)
}

// plan resolves the models of a call, the fallbacks after the one asked for,
// and orders their attempts.
func (g *Gateway) plan(asked string, o *options) (*outcome, *apiError) {
	models := []string{asked}
	for _, m := range o.models {
		if m != asked {
			models = append(models, m)
		}
	}
	if name, ok := strings.CutPrefix(asked, "vmc/"); ok {
		v, ok := g.config.VirtualModels[name]
		if !ok {
			return nil, modelNotFound(asked)
		}
		models, o.only, o.order, o.timeouts = v.Models, v.Only, nil, nil
		o.zdr = o.zdr || v.ZeroDataRetention
	}
	out := &outcome{asked: asked, paid: None, started: time.Now()}
	tries := 0
	for _, m := range models {
		if unlisted(m) {
			continue
		}
		canonical, hosts := resolve(m)
		mt := modelTries{canonical: canonical, tries: g.order(hosts, o)}
		if out.model == "" {
			out.model, out.hosts = canonical, hosts
		}
		tries += len(mt.tries)
		out.models = append(out.models, mt)
	}
	if len(out.models) == 0 {
		return nil, modelNotFound(asked)
	}
	if tries == 0 {
		return nil, noProviders(asked, o.only)
	}
	return out, nil
}

// run makes the attempts until one succeeds. Only a client that has left
// makes it return an error; that all attempts failed is in out.err.
func (g *Gateway) run(ctx context.Context, out *outcome, echoKey int) error {
	keys := g.keys.Load()
	for i := range out.models {
		m := &out.models[i]
		for _, t := range m.tries {
			a := Attempt{Model: m.canonical, Provider: t.slug, Credential: t.paid}
			status, message := http.StatusOK, ""
			switch {
			case t.paid == BYOK:
				a.KeyID = keys.id(t.slug, t.key.secret)
				status, message = keys.status(t.slug, t.key), t.key.problem
			default:
				if s, ok := g.config.SystemFailures[t.slug]; ok {
					status = s
				}
			}
			if echoKey != 0 { // Fault EchoKey: an upstream that repeats what it was sent
				status, message = echoKey, "Incorrect API key provided: "+t.key.secret+"."
			}
			if status == 0 {
				if err := sleep(ctx, t.timeout); err != nil {
					return err
				}
				status = http.StatusGatewayTimeout
			}
			a.Status, a.Success = status, status == http.StatusOK
			m.done = append(m.done, a)
			if a.Success {
				out.model, out.provider, out.paid, out.keyID = m.canonical, t.host, t.paid, a.KeyID
				return nil
			}
			out.err = providerError(t.slug, status, message)
			if echoKey != 0 {
				return nil
			}
		}
	}
	return nil
}

// attempts are all attempts made, in order.
func (o *outcome) attempts() (all []Attempt) {
	for _, m := range o.models {
		all = append(all, m.done...)
	}
	return all
}

// metadata is the object "gateway" of gateway-wire 2.6.
func (o *outcome) metadata() object {
	var flat, models []object
	for _, m := range o.models {
		if len(m.done) == 0 {
			continue
		}
		tries := []object{}
		for i, a := range m.done {
			p := object{
				"provider": m.tries[i].name, "credentialType": a.Credential, "success": a.Success,
				"statusCode": a.Status, "startTime": o.started.UnixMilli(), "endTime": time.Now().UnixMilli(),
			}
			if !a.Success {
				p["error"] = http.StatusText(a.Status)
			}
			if a.Status == http.StatusGatewayTimeout {
				p["providerTimeout"] = m.tries[i].timeout.Milliseconds()
			}
			tries = append(tries, p)
		}
		success := m.done[len(m.done)-1].Success
		models = append(models, object{
			"modelId": m.canonical, "canonicalSlug": m.canonical, "success": success,
			"providerAttemptCount": len(tries), "providerAttempts": tries,
		})
		flat = append(flat, tries...)
	}
	others := []string{}
	for _, h := range o.hosts {
		if h.slug != o.provider.slug {
			others = append(others, h.name)
		}
	}
	routing := object{
		"originalModelId": o.asked, "canonicalSlug": o.model, "resolvedProvider": o.hosts[0].name,
		"fallbacksAvailable": others, "planningReasoning": "sandbox: owner keys first, then system credentials",
		"modelAttemptCount": len(models), "modelAttempts": models,
		"attempts": flat, "totalProviderAttemptCount": len(flat),
	}
	if o.provider.name != "" {
		routing["finalProvider"] = o.provider.name
	}
	cost := "0"
	if o.paid == System {
		cost = "0.0001"
	}
	return object{"routing": routing, "cost": cost, "marketCost": "0.0001", "generationId": o.id}
}

// sleep waits for d, or for the client to leave.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

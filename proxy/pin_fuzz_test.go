package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
)

// pinRows are the surfaces whose JSON body carries an owner's key, at its root.
func pinRows() (rows []*matrixRow) {
	for i := range matrixRows {
		if r := &matrixRows[i]; r.carries && r.json() && !r.free {
			rows = append(rows, r)
		}
	}
	return rows
}

// A pinWorld asks for an owner with a good key for each of ownersSlugs. Bodies
// of more than half a kilobyte are large ones to it.
type pinWorld struct {
	*world
	state           *keyState
	others          *elsewhere
	sent, refused   int
	owner, platform int
}

func newPinWorld(t testing.TB) *pinWorld {
	p := &pinWorld{others: newElsewhere(t)}
	for i := range keyStates {
		if keyStates[i].name == "good" {
			p.state = &keyStates[i]
		}
	}
	// The guard is off: the pin must hold without it.
	p.world = newMatrixWorld(t, worldKind{dialect: DialectVercel, way: "gateway", guard: GuardOff}, storeStates(t, p.others.url), p.others)
	p.cfg.Limits.ScanWindow = 512
	must(t, p.handler.Reload(p.cfg))
	return p
}

// judge sends one body and judges what came of it.
func (p *pinWorld) judge(row *matrixRow, model, body string) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	headers := append([]string{"x-chatbot-id: " + p.state.chatbot(false)}, row.headers...)
	if row.place == placeHeader {
		headers = append(headers, row.modelHeader+": "+model)
	}
	a := p.world.ask(http.MethodPost, row.path, body, headers)
	seen, paid := p.arrived(), p.paid()
	p.sent++
	payer := payerOf(paid, true)
	whole := 0
	for i := range seen {
		if seen[i].Err == nil {
			whole++
		}
	}
	if whole == 0 {
		p.refused++
		if a.header.Get("x-sidekey-error") == "" || a.status/100 != 4 || payer != unpaid {
			bad("nobody had the whole request, and yet: status %d, code %q, paid by %s", a.status, a.header.Get("x-sidekey-error"), payer)
		}
		return problems
	}
	if len(seen) != 1 {
		bad("%d requests came to the gateway", len(seen))
		return problems
	}
	got, sent := string(seen[0].Body), body
	switch as := a.header.Get("x-sidekey-credential"); as {
	case "system":
		p.platform++
		if got != sent {
			bad("a body for the platform was changed")
		}
		systemMay(row, model, sent, bad)
	case "owner":
		p.owner++
		if payer != ownerPays && payer != unpaid {
			bad("paid by %s", payer)
		}
		holdsPin(row, model, p.state, got, sent, bad)
	default:
		bad("credential %q, status %d, code %q, and the gateway had the request", as, a.status, a.header.Get("x-sidekey-error"))
	}
	return problems
}

// No body finds a way out of the pin.
func TestPinHoldsForRandomBodies(t *testing.T) {
	p, rows := newPinWorld(t), pinRows()
	g := pinGen{Rand: rand.New(rand.NewPCG(20260, 9))}
	for i := range pinBodies {
		g.row = rows[i%len(rows)]
		body := g.body()
		for _, problem := range p.judge(g.row, g.model(), body) {
			t.Errorf("%s, body %d: %s", g.row.name, i, problem)
		}
	}
	t.Logf("%d bodies: %d refused, %d with the owner's keys, %d the platform's", p.sent, p.refused, p.owner, p.platform)
	for what, n := range map[string]int{"refused": p.refused, "sent with the owner's keys": p.owner, "the platform's": p.platform} {
		if 100*n < 5*p.sent {
			t.Errorf("only %d of %d bodies were %s: the property is hardly tested", n, p.sent, what)
		}
	}
}

// FuzzPin is the same for bodies that are generated from a seed, or given.
func FuzzPin(f *testing.F) {
	rows := pinRows()
	for i := range 40 {
		g := pinGen{rand.New(rand.NewPCG(uint64(i), 1)), rows[i%len(rows)]}
		f.Add(uint64(i), g.body())
		f.Add(uint64(i), "")
	}
	p := newPinWorld(f)
	f.Fuzz(func(t *testing.T, seed uint64, body string) {
		p.t = t // f must not be used in here
		g := pinGen{rand.New(rand.NewPCG(seed, 2)), rows[seed%uint64(len(rows))]}
		if body == "" {
			body = g.body()
		}
		for _, problem := range p.judge(g.row, g.model(), body) {
			t.Errorf("%s: %s", g.row.name, problem)
		}
	})
}

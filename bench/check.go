package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Problems are all that is wrong with a plan, each in a line: which setting, by
// the name that the command line has for it, and what to write instead.
type Problems []error

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes each of them known to errors.Is.
func (ps Problems) Unwrap() []error { return ps }

// join is nil if there are none.
func join(ps []error) error {
	if len(ps) == 0 {
		return nil
	}
	return Problems(ps)
}

// Bounds of the settings: what the driver is known to bear, far above what one
// machine can measure.
const (
	mostConnections = 100_000
	mostRate        = 1e6
	mostRounds      = 1000
	mostEvents      = 1_000_000
	leastDuration   = 100 * time.Millisecond
	mostDuration    = 24 * time.Hour
)

// Check tells all that is wrong with the plan, as Problems.
func (p *Plan) Check() error {
	var c checker
	c.scenarios(p)
	between(&c, "--rounds", p.Rounds, 1, mostRounds)
	between(&c, "--duration", p.Duration, leastDuration, mostDuration)
	between(&c, "--warmup", p.Warmup, 0, mostDuration)
	between(&c, "--timeout", p.Timeout, leastDuration, mostDuration)
	between(&c, "--connections", p.Connections, 1, mostConnections)
	if p.Rate != 0 || p.RateEnd != 0 {
		between(&c, "--rate", p.Rate, 0.01, mostRate)
		if p.RateEnd != 0 {
			between(&c, "--rate, at its end,", p.RateEnd, 0.01, mostRate)
		}
	}
	if slices.Contains(p.Scenarios, ScenarioStream) || slices.Contains(p.Scenarios, ScenarioMixed) {
		between(&c, "--streams", p.Streams, 1, mostConnections)
		between(&c, "--events", p.Events, 2, mostEvents)
		between(&c, "--event-rate", p.EventRate, 0, 100_000)
		between(&c, "--burst", p.Burst, 1, max(p.Events, 1))
	}
	c.headers(p)
	c.targets(p)
	if len(c.wrong) == 0 {
		c.add(p.checkFiles())
	}
	return join(c.wrong)
}

type checker struct{ wrong []error }

func (c *checker) add(err error) {
	if err != nil {
		c.wrong = append(c.wrong, err)
	}
}

func (c *checker) say(format string, args ...any) { c.add(fmt.Errorf(format, args...)) }

func between[T int | float64 | time.Duration](c *checker, name string, got, least, most T) {
	if !(got >= least && got <= most) { // so that NaN is refused
		c.say("%s is %v; write a value from %v to %v", name, got, least, most)
	}
}

func (c *checker) scenarios(p *Plan) {
	if len(p.Scenarios) == 0 {
		c.say("--scenario is empty; name one of %s, or several with commas between", strings.Join(scenarioNames(), ", "))
	}
	for i, name := range p.Scenarios {
		switch {
		case slices.Contains(p.Scenarios[:i], name):
			c.say("--scenario names %s twice; name it once, and raise --rounds for more of it", name)
		case name == ScenarioRecorded && p.Recording == nil:
			c.say("--scenario recorded needs requests; name their file with --recorded")
		case name != ScenarioRecorded && !slices.Contains(scenarioNames(), name):
			c.say("--scenario: there is no %q; name one of %s", name, strings.Join(scenarioNames(), ", "))
		}
	}
}

func (c *checker) headers(p *Plan) {
	for _, h := range p.Header {
		if err := CheckHeader(h); err != nil {
			c.say("-H: %w", err)
		}
	}
	if !isToken(p.ColdHeader) || framed(p.ColdHeader) {
		if slices.Contains(p.Scenarios, ScenarioCold) {
			c.say("--cold-header is no name of a header that can be set; write such as X-Chatbot")
		}
	}
}

func (c *checker) targets(p *Plan) {
	if len(p.Targets) == 0 {
		c.say("there is no target; name one with --target name=http://127.0.0.1:8787")
	}
	seen := map[string]bool{}
	for _, t := range p.Targets {
		if t.Name == "" || strings.ContainsFunc(t.Name, func(r rune) bool { return r <= ' ' || r == '=' || r == 0x7f }) {
			c.say("--target has no name, or one with blanks; write name=url, such as nginx=http://127.0.0.1:8080")
		} else if seen[t.Name] {
			c.say("--target: there are two named %s; give each a name of its own", t.Name)
		}
		seen[t.Name] = true
		if _, err := parseEndpoint(t.URL); err != nil {
			c.say("the URL of %s %w", t.Name, err)
		}
	}
}

// checkFiles finds out whether the system lets the driver have as many
// connections as the plan asks for.
func (p *Plan) checkFiles() error {
	need := uint64(0)
	for _, s := range p.Scenarios {
		need = max(need, uint64(p.connections(s)))
	}
	each := "connection"
	if p.OwnUpstream { // it has a connection for each of the driver's, or of the proxy's
		need, each = 2*need, "connection, and one more for the upstream"
	}
	need += spareFiles
	limit, err := raiseFiles(need)
	if err != nil || limit >= need {
		return err
	}
	fix := fmt.Sprintf("run ulimit -n %d before, or ask for fewer", need)
	if p.OwnUpstream {
		fix += ", or run the upstream as a program of its own (sidekey bench upstream) and name it with --direct"
	}
	return fmt.Errorf("the system allows this process %d open files and the plan needs %d, one for each %s; %s", limit, need, each, fix)
}

// spareFiles are for all that is no connection.
const spareFiles = 64

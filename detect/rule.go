package detect

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sidekey/sidekey/provider"
)

// A Rule is the operator's word on whose key a model takes. Match is a glob
// over the whole id: "*" stands for any text, also with slashes, "?" for one
// byte, and everything else for itself without regard to ASCII case. There is
// no escape, since no id holds "*" or "?".
type Rule struct {
	Match    string
	Provider provider.Slug
}

// A Detector finds out what a request asks for. It is immutable, so it is safe
// for concurrent use; a new configuration makes a new one. Its zero value has
// no rules.
type Detector struct {
	rules []glob
}

// New returns a Detector that asks the rules in their order before anything
// else. It reports everything that is wrong with them at once; the rules are
// named by their index, as in the configuration.
func New(rules []Rule) (*Detector, error) {
	d := &Detector{rules: make([]glob, 0, len(rules))}
	var problems []error
	for i, r := range rules {
		if err := r.validate(); err != nil {
			problems = append(problems, fmt.Errorf("detect.rules[%d]: %w", i, err))
			continue
		}
		d.rules = append(d.rules, glob{pattern: strings.ToLower(r.Match), slug: r.Provider})
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return d, nil
}

func (r Rule) validate() error {
	switch {
	case r.Match == "":
		return errors.New(`match is empty: write a pattern such as "acme-*"`)
	case len(r.Match) > MaxModel:
		return fmt.Errorf("match is longer than %d bytes, which no model id is", MaxModel)
	case strings.ContainsFunc(r.Match, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return errors.New("match holds white space or a control character, which no model id does")
	case r.Provider == "":
		return errors.New("provider is empty: write a slug such as openai")
	}
	if _, ok := provider.Lookup(r.Provider); ok {
		return nil
	}
	if slug, ok := provider.BySpelling(string(r.Provider)); ok {
		return fmt.Errorf("provider %q: write %q", r.Provider, slug)
	}
	return fmt.Errorf("provider %q is not known", r.Provider)
}

// A glob is a rule ready to be matched: its pattern is in lower case.
type glob struct {
	pattern string
	slug    provider.Slug
}

// match goes back to the last star only: what an earlier star took never needs
// to be given back, so the time is at most the product of both lengths. m is
// folded.
func (g *glob) match(m []byte) bool {
	p := g.pattern
	i, j := 0, 0         // in m, in p
	star, retry := -1, 0 // behind the last star; where in m it was tried last
	for i < len(m) {
		switch {
		case j < len(p) && p[j] == '*':
			j++
			star, retry = j, i
		case j < len(p) && (p[j] == m[i] || p[j] == '?'):
			i++
			j++
		case star >= 0:
			retry++
			i, j = retry, star
		default:
			return false
		}
	}
	for j < len(p) && p[j] == '*' {
		j++
	}
	return j == len(p)
}

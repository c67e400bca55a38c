package trace

import (
	"fmt"
	"path"
)

// A Price is what tokens of some models cost, in US dollars for a million.
type Price struct {
	Match  string  // a glob on the model as it is asked for, "openai/gpt-5*"
	Input  float64 // of the input that was not cached
	Cached float64 // of that which was
	Output float64
}

type prices []Price

func validatePrices(list []Price) (errs []error) {
	for i, p := range list {
		if _, err := path.Match(p.Match, ""); err != nil || p.Match == "" {
			errs = append(errs, fmt.Errorf("prices[%d].match: this is no pattern; write a model, or with * for the rest: openai/gpt-5*", i))
		}
		if !(p.Input >= 0 && p.Cached >= 0 && p.Output >= 0) {
			errs = append(errs, fmt.Errorf("prices[%d]: a price is below zero; write dollars for a million tokens", i))
		}
	}
	return errs
}

// of returns what a call costs. The first price that matches counts.
func (p prices) of(c *Call) (usd float64, known bool) {
	if !c.TokensKnown {
		return 0, false
	}
	for _, price := range p {
		if ok, _ := path.Match(price.Match, c.Model); ok {
			t := &c.Tokens
			fresh := max(t.Input-t.Cached, 0)
			return (float64(fresh)*price.Input + float64(t.Cached)*price.Cached + float64(t.Output)*price.Output) / 1e6, true
		}
	}
	return 0, false
}

package sandbox

import (
	"net/http"
	"sync"
)

// budgets counts what the platform has paid for, by gateway key.
type budgets struct {
	mu   sync.Mutex
	paid map[string]int
}

// spent refuses a call whose gateway key has used up its budget.
func (c *call) spent() *apiError {
	limit, ok := c.g.config.KeyBudgets[c.gatewayKey]
	if !ok {
		return nil
	}
	b := &c.g.budgets
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paid[c.gatewayKey] < limit {
		return nil
	}
	return refuse(http.StatusPaymentRequired, "quota_for_entity_exceeded", "the budget of this API key is used up")
}

// charge puts a call that the platform has paid for on its gateway key's bill.
// A call that an owner paid for is not counted (includeByokInQuota: false).
func (c *call) charge(out *outcome) {
	if out.paid != System {
		return
	}
	b := &c.g.budgets
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paid == nil {
		b.paid = make(map[string]int)
	}
	b.paid[c.gatewayKey]++
}

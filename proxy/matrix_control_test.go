package proxy

import (
	"strings"
	"sync"
	"testing"
)

// What the matrix reports is worth something only if it can report. Without the
// guard it must see the platform pay twice in a cell; and what is promised
// wrongly it must not find kept.
func TestMatrixCanFail(t *testing.T) {
	all, _ := product()
	find := func(n int, f func(*cell) bool) (cells []cell) {
		for _, c := range all {
			if c.dialect == DialectVercel && c.way == "gateway" && f(&c) {
				if n--; n < 0 {
					return cells
				}
				cells = append(cells, c)
			}
		}
		return cells
	}
	leaky := find(200, func(c *cell) bool { p, _ := c.expect(); return p.payer == platformLeaks })
	forbidden := find(50, func(c *cell) bool { return c.option.forbidden && c.state.name == "good" && c.row.carries })
	for i := range forbidden {
		o := *forbidden[i].option
		o.forbidden, forbidden[i].option = false, &o
	}
	for _, control := range []struct {
		name, guard string
		cells       []cell
		word        string // in the report of each cell
	}{
		{"without the guard", GuardOff, leaky, "call 2: paid by leak, want nobody"},
		{"report only", GuardReport, leaky[:len(leaky)/4], "call 2: paid by leak, want nobody"},
		{"a wrong promise", GuardStrict, forbidden, `call 1: x-sidekey-error "option_not_allowed", want ""`},
	} {
		m := newMatrix(t)
		m.guard = control.guard
		var mu sync.Mutex
		found := 0
		m.report = func(t *testing.T, c *cell, problems []string) {
			mu.Lock()
			defer mu.Unlock()
			m.sum.failed()
			if strings.Contains(strings.Join(problems, "\n"), control.word) {
				found++
			}
		}
		m.run(t, control.cells)
		if found != len(control.cells) || len(control.cells) < 20 {
			t.Errorf("%s: the matrix found %d of %d cells wrong as expected", control.name, found, len(control.cells))
		}
		if leaks := m.sum.maxLeaks; (leaks > 1) != (control.guard != GuardStrict) {
			t.Errorf("%s: at most %d leaks in a cell", control.name, leaks)
		}
	}
}

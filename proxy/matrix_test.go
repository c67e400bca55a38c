package proxy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
)

// The matrix: surfaces, streamed or not, times dialects, routes, states of the
// owner's key and options of the client's. It is generated, not picked. In each
// cell two calls are made, and the stand-in gateway's ledger, or whoever else
// was called, says who paid. What must happen is said by matrix_plan_test.go,
// independently of the code.

// product lists the cells that can be, and counts the others by reason.
func product() (cells []cell, skipped map[string]int) {
	skipped = map[string]int{}
	for r := range matrixRows {
		for _, dialect := range []string{DialectVercel, DialectHeader} {
			for _, way := range []string{"gateway", "direct", "byoi"} {
				for s := range keyStates {
					for o := range matrixOptions {
						c := cell{&matrixRows[r], dialect, way, &keyStates[s], &matrixOptions[o]}
						if why := c.impossible(); why != "" {
							skipped[why]++
							continue
						}
						cells = append(cells, c)
					}
				}
			}
		}
	}
	return cells, skipped
}

// sample keeps every n-th cell, and of the others those that bring together
// two values which no cell so far does. The same ones each time.
func sample(cells []cell, n int) (kept []cell) {
	if n <= 1 {
		return cells
	}
	shuffled := slices.Clone(cells)
	rand.New(rand.NewPCG(5, 5)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	met := map[[2]string]bool{}
	for i, c := range shuffled {
		values := []string{"r" + c.row.name, "d" + c.dialect, "w" + c.way, "s" + c.state.name, "o" + c.option.name}
		fresh := false
		for a := range values {
			for b := range a {
				pair := [2]string{values[b], values[a]}
				fresh = fresh || !met[pair]
				met[pair] = true
			}
		}
		if fresh || i%n == 0 {
			kept = append(kept, c)
		}
	}
	return kept
}

// totals sum up what came of the cells.
type totals struct {
	mu       sync.Mutex
	cells    int
	calls    int
	paid     map[string]int
	refused  map[string]int
	maxLeaks int
	wrong    int // cells
}

func newTotals() *totals { return &totals{paid: map[string]int{}, refused: map[string]int{}} }

func (s *totals) cell(leaks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cells++
	s.maxLeaks = max(s.maxLeaks, leaks)
}

func (s *totals) call(payer, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.paid[payer]++
	if code != "" {
		s.refused[code]++
	}
}

// failed counts a cell with problems and says whether to print it: of many the
// first are enough.
func (s *totals) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong++
	return s.wrong <= 40
}

func (s *totals) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s %8d\n%-34s %8d\n%-34s %8d\n", "cells", s.cells, "calls", s.calls,
		"leaks in one cell, at most", s.maxLeaks)
	table(&b, "paid by ", s.paid)
	table(&b, "refused with ", s.refused)
	return b.String()
}

func table(b *strings.Builder, label string, counts map[string]int) {
	var names []string
	for n := range counts {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(b, "%-34s %8d\n", label+n, counts[n])
	}
}

// A matrix runs cells, and lets report judge what was wrong.
type matrix struct {
	guard  string
	cache  *credstore.Cache
	others *elsewhere
	sum    *totals
	report func(t *testing.T, c *cell, problems []string)
}

func newMatrix(t *testing.T) *matrix {
	m := &matrix{others: newElsewhere(t), sum: newTotals()}
	m.cache = storeStates(t, m.others.url+"/own")
	m.report = func(t *testing.T, c *cell, problems []string) {
		if m.sum.failed() {
			t.Errorf("%s:\n\t%s", c, strings.Join(problems, "\n\t"))
		}
	}
	return m
}

// run tries all cells, a few worlds at a time.
func (m *matrix) run(t *testing.T, cells []cell) {
	kinds := map[worldKind][]cell{}
	for _, c := range cells {
		p := c.route()
		hangs := c.state.status == 0 && (p.to == toProvider || p.to == toEndpoint)
		kind := worldKind{c.dialect, c.way, hangs, m.guard}
		kinds[kind] = append(kinds[kind], c)
	}
	t.Run("worlds", func(t *testing.T) {
		for kind, cells := range kinds {
			for part := range slices.Chunk(cells, 1000) {
				t.Run(kind.String(), func(t *testing.T) {
					t.Parallel()
					w := newMatrixWorld(t, kind, m.cache, m.others)
					for i := range part {
						if problems := part[i].try(w, m.others, m.sum); len(problems) > 0 {
							m.report(t, &part[i], problems)
						}
					}
					if strings.Contains(w.log.String(), "CANARY") {
						t.Error("a key is in the log")
					}
				})
			}
		}
	})
}

// TestMatrixOfWhoPays is counted by .ci/run, which runs all of it; with the race
// detector it is a sample.
func TestMatrixOfWhoPays(t *testing.T) {
	all, skipped := product()
	step := matrixStep
	if testing.Short() {
		step = 60
	}
	m := newMatrix(t)
	m.run(t, sample(all, step))
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s %8d\n", "cells of the product that can be", len(all))
	table(&b, "left out: ", skipped)
	t.Logf("totals of the matrix:\n%s%s", &b, m.sum)
	if m.sum.maxLeaks > 1 {
		t.Errorf("in one cell the platform paid %d times for the owner, want at most once", m.sum.maxLeaks)
	}
	if m.sum.wrong > 0 {
		t.Errorf("%d of %d cells were not as promised", m.sum.wrong, m.sum.cells)
	}
}

// Every surface of detect's has its rows.
func TestMatrixHasEverySurface(t *testing.T) {
	for s := detect.Other; s <= detect.Catalogue; s++ {
		if !slices.ContainsFunc(matrixRows, func(r matrixRow) bool { return r.surface == s }) {
			t.Errorf("the matrix has no row for the surface %s", s)
		}
	}
	if next := detect.Catalogue + 1; next.String() != detect.Other.String() {
		t.Error("there is a surface behind the catalogue: give it rows")
	}
}

package provider

import "strings"

// gramLength is shorter than a part by so much that whoever looks at every
// gramStride-th place of a text cannot miss one.
const (
	gramLength = 4
	gramStride = partLength - gramLength + 1
)

// A gramSet knows every run of gramLength bytes of some texts, without regard
// to case. It may say yes where there is none (one in some ten thousand), never
// no where there is one. It is an open hash table of 16 bits each: a set of
// parts is kept for each key in use, so it must be small as well as fast.
type gramSet struct {
	slots []uint16 // 0: free
	shift uint8
}

func newGramSet(texts []string) gramSet {
	n := 0
	for _, t := range texts {
		n += len(t)
	}
	bits := 6
	for 1<<bits < 2*n {
		bits++
	}
	g := gramSet{slots: make([]uint16, 1<<bits), shift: uint8(32 - bits)}
	for _, t := range texts {
		for i := 0; i+gramLength <= len(t); i++ {
			g.add(fold4(t[i:]))
		}
	}
	return g
}

// fold4 reads four bytes, letters in lower case. A few other bytes become
// alike, which costs a second look.
func fold4[T []byte | string](b T) uint32 {
	_ = b[gramLength-1]
	return (uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24) | 0x20202020
}

// hash returns where a run belongs, and what tells it from its neighbours.
func (g *gramSet) hash(gram uint32) (slot uint32, tag uint16) {
	h := gram * 0x9e3779b1 // Knuth's multiplicative hash
	return h >> g.shift, uint16(gram^gram>>15) | 1
}

func (g *gramSet) add(gram uint32) {
	slot, tag := g.hash(gram)
	for ; g.slots[slot] != 0; slot = (slot + 1) & uint32(len(g.slots)-1) {
		if g.slots[slot] == tag {
			return
		}
	}
	g.slots[slot] = tag
}

func (g *gramSet) has(gram uint32) bool {
	slot, tag := g.hash(gram)
	for ; g.slots[slot] != 0; slot = (slot + 1) & uint32(len(g.slots)-1) {
		if g.slots[slot] == tag {
			return true
		}
	}
	return false
}

// at returns the length of the longest part that begins at i of a text in lower
// case, 0 if none does.
func (p *parts) at(lower string, i int) int {
	if i+partLength <= len(lower) && p.has(lower[i:i+partLength]) {
		return partLength
	}
	n := 0
	for _, w := range p.whole {
		if strings.HasPrefix(lower[i:], w) {
			n = max(n, len(w))
		}
	}
	return n
}

// has reports whether a run of partLength bytes is a part.
func (p *parts) has(run string) bool {
	if !p.grams.has(fold4(run)) || !p.grams.has(fold4(run[partLength-gramLength:])) {
		return false
	}
	for _, f := range p.forms {
		if strings.Contains(f, run) {
			return true
		}
	}
	return false
}

// appears reports whether a part of a form stands in text as it is. Hot path:
// it looks at one place in five.
func (p *parts) appears(text []byte) bool {
	for i := 0; i+gramLength <= len(text); i += gramStride {
		if p.grams.has(fold4(text[i:])) && p.near(text, i) {
			return true
		}
	}
	return false
}

// near reports whether a part covers the four bytes at i.
func (p *parts) near(text []byte, i int) bool {
	from := max(0, i-(partLength-gramLength))
	lower := asciiLower(string(text[from:min(len(text), i+partLength)]))
	for j := 0; j+partLength <= len(lower); j++ {
		if p.has(lower[j : j+partLength]) {
			return true
		}
	}
	return false
}

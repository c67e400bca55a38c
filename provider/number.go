package provider

// Number is a small number of the slug's row, from 1 to Rows: 0 if there is no
// such row. It is for counters that are arrays. Unlike a look-up in a map it
// hashes three bytes, not the word.
func (s Slug) Number() int {
	if s == "" {
		return 0
	}
	for i := s.hash(); ; i = (i + 1) % uint(len(numbers)) {
		n := numbers[i]
		if n == 0 || table[n-1].Slug == s {
			return int(n)
		}
	}
}

// Rows is the number of providers.
func Rows() int { return len(table) }

// Numbered is the slug of a number.
func Numbered(n int) Slug {
	if n < 1 || n > len(table) {
		return ""
	}
	return table[n-1].Slug
}

// numbers has at least three empty places for each row, so that a walk is short.
var numbers = numberRows()

func numberRows() (t [256]uint8) {
	if len(table)*4 > len(t) {
		panic("provider: BUG: the table has outgrown its numbers")
	}
	for n, p := range table {
		i := p.Slug.hash()
		for t[i] != 0 {
			i = (i + 1) % uint(len(t))
		}
		t[i] = uint8(n + 1)
	}
	return t
}

func (s Slug) hash() uint {
	n := uint(len(s))
	return (n*37 + uint(s[0])*101 + uint(s[n/2])*7 + uint(s[n-1])*13) % 256
}

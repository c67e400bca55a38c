package provider

import "strings"

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

const numberPlaces = 256

func numberRows() (t [numberPlaces]uint8) {
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

func (s Slug) hash() uint { return hash(s) % numberPlaces }

// hash is of the length and three bytes of a word, which must not be empty.
func hash[T Slug | []byte](s T) uint {
	n := uint(len(s))
	return n*37 + uint(s[0])*101 + uint(s[n/2])*7 + uint(s[n-1])*13
}

// A spellingIndex finds slugs by their spellings. As numbers, it is no map: to
// hash the whole word was a third of finding a model's provider.
type spellingIndex struct {
	words []spelling // in no order
	at    [1024]uint8
}

type spelling struct {
	word string // in lower case
	slug Slug
}

func indexSpellings(rows []*Provider) *spellingIndex {
	m := make(map[string]Slug, 2*len(rows))
	for _, p := range rows {
		m[strings.ToLower(string(p.Slug))] = p.Slug
		for _, c := range p.Creators {
			m[c] = p.Slug
		}
	}
	if len(m) > 255 {
		panic("provider: BUG: the spellings have outgrown their index")
	}
	x := &spellingIndex{}
	for word, slug := range m {
		x.words = append(x.words, spelling{word, slug})
		i := hash([]byte(word)) % uint(len(x.at))
		for x.at[i] != 0 {
			i = (i + 1) % uint(len(x.at))
		}
		x.at[i] = uint8(len(x.words))
	}
	return x
}

// find looks a word up that is in lower case.
func (x *spellingIndex) find(word []byte) (Slug, bool) {
	if len(word) == 0 {
		return "", false
	}
	for i := hash(word) % uint(len(x.at)); x.at[i] != 0; i = (i + 1) % uint(len(x.at)) {
		if s := &x.words[x.at[i]-1]; s.word == string(word) {
			return s.slug, true
		}
	}
	return "", false
}

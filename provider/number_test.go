package provider

import "testing"

func TestEachProviderHasANumberOfItsOwn(t *testing.T) {
	seen := map[int]Slug{}
	for _, p := range All() {
		n := p.Slug.Number()
		if n < 1 || n > Rows() || Numbered(n) != p.Slug {
			t.Errorf("%s has number %d, which is that of %q", p.Slug, n, Numbered(n))
		}
		if other, taken := seen[n]; taken {
			t.Errorf("%s and %s have the same number", p.Slug, other)
		}
		seen[n] = p.Slug
	}
	for _, s := range []Slug{"", "x", "openaj", "no-such-provider"} {
		if n := s.Number(); n != 0 || Numbered(n) != "" {
			t.Errorf("%q has number %d, want 0", s, n)
		}
	}
	if Numbered(-1) != "" || Numbered(Rows()+1) != "" {
		t.Error("a number beyond the table has a slug")
	}
}

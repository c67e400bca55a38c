package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestFormsWithoutExpressions compares what is told apart by hand with the
// regular expression that says it at a glance.
func TestFormsWithoutExpressions(t *testing.T) {
	f := func(what, expression string, got func(string) bool, besides ...func(string) bool) {
		t.Helper()
		form, seen := regexp.MustCompile(expression), map[bool]int{}
		for _, s := range forms() {
			want := form.MatchString(s)
			for _, also := range besides {
				want = want && also(s)
			}
			if got(s) != want {
				t.Errorf("%s %q: got=%v, want %v", what, s, !want, want)
			}
			seen[want]++
		}
		if seen[true] < 3 || seen[false] < 3 {
			t.Errorf("%s: %v of the texts match, the test does not tell", what, seen)
		}
	}
	f("name of a variable", `^[A-Za-z_][A-Za-z0-9_]*$`, envName)
	f("name of a variable that is shown", `^[A-Z_][A-Z0-9_]{0,63}$`, showable)
	f("key of the file that is shown", `^[A-Za-z_.<-][A-Za-z0-9_.<-]{0,39}$`,
		func(s string) bool { return shown(s) == s }, func(s string) bool { return !looksLikeKey(s) })
	f("credential", `^[A-Za-z0-9+/_=-]{24,}$`, looksLikeKey, func(s string) bool { return strings.ContainsAny(s, digits) })
	f("size", `^[0-9]{1,12} ?(B|KiB|MiB|GiB)$`, func(s string) bool {
		_, wrong := parseSize(s)
		return wrong == "" || wrong == "the size is too large"
	})
}

// forms are texts around the edges: each alphabet, each length that is a limit,
// and each of these with something foreign in front, in the middle and behind.
func forms() []string {
	plain := []string{"", "a", "A", "Z", "z", "0", "9", "_", "-", ".", "<", "B", "KEY", "key", "K1_", "1K", "a-b", "a.b", "<<", "64MiB", "64 MiB", "64  MiB", "1KiB", "1GiB",
		"1TiB", "1B", "B1", "999999999999B", "1000000000000B", "999999999999GiB", "12", " 1B", "1B ", "+1B", "-1B", "1.5MiB"}
	for _, n := range []int{23, 24, 25, 39, 40, 41, 63, 64, 65} {
		plain = append(plain, strings.Repeat("A", n), strings.Repeat("7", n), "x"+strings.Repeat("_", n-1))
	}
	out := plain
	for _, s := range plain {
		for _, foreign := range []string{" ", "\n", "é", "\x00", "\xff", "/", "@", "[", "`", "{", ":"} {
			out = append(out, foreign+s, s+foreign, s[:len(s)/2]+foreign+s[len(s)/2:])
		}
	}
	return out
}

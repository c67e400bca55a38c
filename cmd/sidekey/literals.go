package main

import "strings"

// The alphabets of what is told apart by its characters. Regular expressions
// would be compiled at every start: those that were cost 2,000 allocations.
const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "abcdefghijklmnopqrstuvwxyz"
)

// madeOf reports whether s has at least one character and none that is not in
// the alphabet.
func madeOf(s, alphabet string) bool { return s != "" && strings.Trim(s, alphabet) == "" }

var keyPrefixes = []string{
	"sk-", "sk_", "pplx-", "xai-", "gsk_", "AIza", "AKIA", "ASIA", "vck_", "Bearer ", "eyJ", "-----BEGIN", "csk-", "fw_", "hf_", "r8_",
}

// looksLikeKey guesses whether a text is a credential. It errs towards yes: it
// decides only whether a text may be repeated to a screen or taken from a
// command line.
func looksLikeKey(s string) bool {
	for _, p := range keyPrefixes {
		if strings.HasPrefix(s, p) && len(s) >= 12 {
			return true
		}
	}
	return len(s) >= 24 && madeOf(s, letters+digits+"+/_=-") && strings.ContainsAny(s, digits)
}

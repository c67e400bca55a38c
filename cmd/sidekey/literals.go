package main

import (
	"regexp"
	"strings"
)

var keyPrefixes = []string{
	"sk-", "sk_", "pplx-", "xai-", "gsk_", "AIza", "AKIA", "ASIA", "vck_", "Bearer ", "eyJ", "-----BEGIN", "csk-", "fw_", "hf_", "r8_",
}

var longToken = regexp.MustCompile(`^[A-Za-z0-9+/_=-]{24,}$`)

// looksLikeKey guesses whether a text is a credential. It errs towards yes: it
// decides only whether a text may be repeated to a screen or taken from a
// command line.
func looksLikeKey(s string) bool {
	for _, p := range keyPrefixes {
		if strings.HasPrefix(s, p) && len(s) >= 12 {
			return true
		}
	}
	return longToken.MatchString(s) && strings.ContainsAny(s, "0123456789")
}

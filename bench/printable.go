package bench

import (
	"strings"
	"unicode"
)

// printable makes a name from a command line or a file fit for a terminal:
// whatever could move the cursor, colour the screen or turn the direction of
// writing is a question mark.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // also the invisible ones of Unicode's class Cf
			return '?'
		}
		return r
	}, s)
}

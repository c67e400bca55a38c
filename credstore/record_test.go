package credstore

import (
	"regexp"
	"strings"
	"testing"
)

// TestNamesWithoutExpressions compares what is told apart by hand with the
// regular expression that says it at a glance.
func TestNamesWithoutExpressions(t *testing.T) {
	f := func(what, expression string, longest int, valid func(string) bool, names ...string) {
		t.Helper()
		form := regexp.MustCompile(expression)
		names = append(names, "", "a", "aa", "aaa", "Z-z", "0.9", "a_b", "A:b")
		for _, n := range []int{longest - 1, longest, longest + 1} {
			names = append(names, strings.Repeat("a", n), "alias/"+strings.Repeat("a", n-len("alias/")))
		}
		for _, s := range names {
			for _, foreign := range []string{"", " ", "\n", "é", "\x00", "\xff", "@", "[", "`", "{", "/", ":"} {
				for _, s := range []string{foreign + s, s + foreign, s[:len(s)/2] + foreign + s[len(s)/2:]} {
					if got, want := valid(s), len(s) <= longest && form.MatchString(s); got != want {
						t.Errorf("%s %q: got=%v, want %v", what, s, got, want)
					}
				}
			}
		}
	}
	f("id", `^[A-Za-z0-9._:-]+$`, 128, ValidID)
	f("table", `^[a-zA-Z0-9_.-]{3,}$`, 255, ValidTable)
	f("KMS key", `^(alias/[a-zA-Z0-9/_-]+|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[a-zA-Z0-9/_-]+|(mrk-)?[0-9a-f-]{32,36})$`, maxKMSName, ValidKMSKey,
		"alias/sidekey", "alias/", "alias", "alias/aws/kms", "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		"arn:aws-cn:kms:cn-north-1:111122223333:alias/sidekey", "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab")
}

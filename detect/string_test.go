package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var literals = []string{
	`""`, `"a"`, `"`, ``, `a`, `"a" `, ` "a"`, `"a"b"`, `"\"\\\/\b\f\n\r\t"`, `"\u0041\u00e9\u20ac\ud83d\ude00"`, `"\ud800"`, `"\ud800x"`,
	`"\ud800\u0041"`, `"\ud800\ud800\udc00"`, `"\udc00\ud800"`, `"\u12"`, `"\uD83D\uDE00"`, "\"\xff\xe2\x82\"", "\"é東😀\"", "\"\x1f\"",
	`"\ud800\`, `"\ud800\u"`, `"` + strings.Repeat("z", 100) + `\n"`, `"\u0000"`, "null", "1",
	`"` + strings.Repeat("z", 300) + `\n"`, `"` + strings.Repeat("z", 300) + "\x1f\"", `"` + strings.Repeat("\u00e9", 200) + `\"` + strings.Repeat("z", 300) + `"`,
}

func FuzzAppendString(f *testing.F) {
	for _, s := range literals {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, literal []byte) {
		got, err := AppendString([]byte("> "), literal)
		var want string
		valid := len(literal) > 0 && literal[0] == '"' && literal[len(literal)-1] == '"' && json.Unmarshal(literal, &want) == nil
		if valid != (err == nil) {
			t.Fatalf("%q: got %v, valid is %v", literal, err, valid)
		}
		if string(got) != "> "+want {
			t.Fatalf("%q: got %q, want %q", literal, got, want)
		}
		if err != nil && !errors.Is(err, ErrNotJSON) {
			t.Fatalf("%q: %v is not ErrNotJSON", literal, err)
		}
	})
}

// Where a quote, a backslash or a control byte stands, in relation to the
// words that are read at once, must make no difference.
func TestSkipStringFindsItsEndAtEveryOffset(t *testing.T) {
	for n := range 300 { // behind 128 bytes begin the blocks of 64
		for _, fill := range []string{"x", "\xff", "!", "#", "[", "]", "\x7f", " "} {
			text := strings.Repeat(fill, n)
			for _, c := range []struct {
				tail string
				want int
			}{
				{`"`, n + 1}, {`"` + text, n + 1}, {`"` + "\x00" + text, n + 1}, {`\""` + text, n + 3}, {`\u0020"` + text, n + 7},
				{"\x1f\"" + text, ^n}, {"\x00\"" + text, ^n}, {"", ^n}, {`\`, ^(n + 1)}, {`\x` + text, ^(n + 1)}, {`\u00` + "\xff" + text, ^(n + 4)},
			} {
				if got := skipString([]byte(text+c.tail), 0); got != c.want {
					t.Fatalf("%q: got %d, want %d", text+c.tail, got, c.want)
				}
			}
		}
	}
}

// The search in blocks must mark the same bytes as reading one at a time, and
// nothing behind the end.
func TestSkipPlainStopsAtTheSameBytesHoweverLongTheText(t *testing.T) {
	text := bytes.Repeat([]byte("Zz+/"), 120)
	for at := range text {
		was := text[at]
		for c := range 256 {
			text[at] = byte(c)
			want := len(text)
			if c < ' ' || c == '"' || c == '\\' {
				want = at
			}
			if got := skipPlain(text, at%3); at >= 3 && got != want {
				t.Fatalf("%#x at %d: got %d, want %d", c, at, got, want)
			}
		}
		text[at] = '"'
		if got := skipPlain(text[:at], 0); got != at {
			t.Fatalf("a quote behind %d bytes: got %d", at, got)
		}
		text[at] = was
	}
}

func TestKeysCompareByDecodedValue(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		if got := literalsEqual([]byte(a), []byte(b)); got != want {
			t.Errorf("%s = %s: got %v, want %v", a, b, got, want)
		}
		if got := literalsEqual([]byte(b), []byte(a)); got != want {
			t.Errorf("%s = %s: got %v, want %v", b, a, got, want)
		}
	}
	f(`"only"`, `"only"`, true)
	f(`"only"`, `"on\u006Cy"`, true)
	f(`"only"`, `"only2"`, false)
	f(`"only"`, `"onl"`, false)
	f(`"only"`, `"Only"`, false)
	f(`""`, `""`, true)
	f(`""`, `"\u0000"`, false)
	f(`"a\/b"`, `"a/b"`, true)
	f(`"😀"`, `"\ud83d\ude00"`, true)
	// Half a surrogate pair is a key of its own in JavaScript.
	f(`"\ud800"`, `"\ud801"`, false)
	f(`"\ud800"`, `"\uFFFD"`, false)
	f(`"\ud800"`, `"\uD800"`, true)
	f("\"\xff\"", `"\ufffd"`, true)
}

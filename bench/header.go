package bench

import (
	"errors"
	"fmt"
	"strings"
)

// CheckHeader says what is wrong with a header line such as "X-Team: a". It
// never quotes the value, which may be a key.
func CheckHeader(line string) error {
	name, value, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		return errors.New("a header has no colon; write it as 'Name: value'")
	case !isToken(name):
		return errors.New("a header's name is empty or holds characters that no name may; write it as 'Name: value'")
	case framed(name):
		return fmt.Errorf("%s is set by bench itself; leave it away", name)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("the value of %s holds a line end or another control character; remove it", name)
	}
	return nil
}

// framed reports whether bench sets the header itself: it frames the message, or
// belongs to the connection.
func framed(name string) bool {
	switch strings.ToLower(name) {
	case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect":
		return true
	}
	return false
}

// isToken reports whether s is a token of RFC 9110.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

// sameName reports whether two header lines have the same name.
func sameName(a, b string) bool {
	a, _, _ = strings.Cut(a, ":")
	b, _, _ = strings.Cut(b, ":")
	return strings.EqualFold(a, b)
}

package bench

import "bytes"

// eachField calls f with name and value of each line of a head. head begins
// after the first line and ends with the empty line.
func eachField(head []byte, f func(name, value []byte) error) error {
	for len(head) > 0 {
		end := bytes.IndexByte(head, '\n')
		if end < 0 {
			return errMalformed
		}
		line := bytes.TrimSuffix(head[:end], []byte("\r"))
		head = head[end+1:]
		if len(line) == 0 {
			return nil
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			return errMalformed
		}
		if err := f(line[:colon], trimBlank(line[colon+1:])); err != nil {
			return err
		}
	}
	return errMalformed
}

func trimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// isWord compares without regard to case. lower must be in lower case.
func isWord(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasWordPrefix is isWord for the beginning of b.
func hasWordPrefix(b []byte, lower string) bool {
	return len(b) >= len(lower) && isWord(b[:len(lower)], lower)
}

// hasToken reports whether a word is in a list with commas between.
func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		var word []byte
		word, list, _ = bytes.Cut(list, []byte(","))
		if isWord(trimBlank(word), lower) {
			return true
		}
	}
	return false
}

// decimal reads a length. It refuses signs, blanks and what is out of range.
func decimal(b []byte) (int64, error) {
	if len(b) == 0 || len(b) > 15 {
		return 0, errMalformed
	}
	var n int64
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, errMalformed
		}
		n = n*10 + int64(d-'0')
	}
	return n, nil
}

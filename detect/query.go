package detect

import "bytes"

// queryModelKey is where the gateway's WebSockets name their model
// (gateway-wire 1.1).
const queryModelKey = "ai-model-id"

// queryModel finds the model in a raw query, decoded as the URL standard
// decodes a form ("+" is a space). The key may be written with escapes. Twice
// is a *DuplicateError, since routers differ on which one wins; a broken
// escape is ErrBadModel. It allocates only for a value with escapes.
func queryModel(query []byte) ([]byte, error) {
	var model []byte
	found := false
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = cutByte(query, '&')
		key, value, _ := cutByte(pair, '=')
		if !decodesTo(key, queryModelKey) {
			continue
		}
		if found {
			return nil, &DuplicateError{Key: queryModelKey}
		}
		found = true
		var err error
		if model, err = unescape(value, true); err != nil {
			return nil, err
		}
	}
	return model, nil
}

// decodesTo says that a query key is name, which is ASCII without "+" and "%".
func decodesTo(key []byte, name string) bool {
	n := 0
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c == '%' {
			if decoded, ok := unhex(key, i); ok {
				c = decoded
				i += 2
			}
		}
		if n == len(name) || c != name[n] {
			return false
		}
		n++
	}
	return n == len(name)
}

// unescape decodes percent escapes. It returns b itself if there is nothing to
// decode.
func unescape(b []byte, plusIsSpace bool) ([]byte, error) {
	if bytes.IndexByte(b, '%') < 0 && (!plusIsSpace || bytes.IndexByte(b, '+') < 0) {
		return b, nil
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '%':
			decoded, ok := unhex(b, i)
			if !ok {
				return nil, ErrBadModel
			}
			c = decoded
			i += 2
		case c == '+' && plusIsSpace:
			c = ' '
		}
		out = append(out, c)
	}
	return out, nil
}

// unhex decodes the escape %XX at b[i].
func unhex(b []byte, i int) (byte, bool) {
	if i+2 >= len(b) {
		return 0, false
	}
	high, ok1 := hexDigit(b[i+1])
	low, ok2 := hexDigit(b[i+2])
	return high<<4 | low, ok1 && ok2
}

package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// An endpoint is an owner's own, read from the address that is stored.
type endpoint struct {
	origin origin
	prefix string // of all paths, without a trailing slash
	err    error  // why nothing is sent to it; names the host, and what to do
}

func newEndpoint(address string, allow *allowList) *endpoint {
	e, name, err := parseEndpoint(address)
	if err != nil {
		e.err = fmt.Errorf("the stored address of the owner's endpoint %w", err)
		return e
	}
	const hint = "an operator can list it under byoi.allow"
	where := e.origin.scheme + "://" + e.origin.host
	switch v := allow.host(name); {
	case v == hostRefused:
		e.err = fmt.Errorf("the owner's endpoint %s: the host is not allowed; %s", where, hint)
	case e.origin.scheme == "http" && v != hostListed:
		// A key in the clear is for networks that the operator knows.
		e.err = fmt.Errorf("the owner's endpoint %s: without https the key could be read on its way; %s", where, hint)
	default:
		if ip, err := netip.ParseAddr(name); err == nil {
			if err := allow.check(v, ip); err != nil {
				e.err = fmt.Errorf("the owner's endpoint %s: %w", where, err)
			}
		}
	}
	return e
}

// parseEndpoint reads an address strictly: what it leaves is read in one way by
// whoever is next. name is the host without port and brackets, in lower case.
func parseEndpoint(address string) (e *endpoint, name string, err error) {
	e = &endpoint{}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return e, "", errors.New("is not a URL; write https://HOST/PATH") // url.Error repeats the input
	case u.Scheme != "https" && u.Scheme != "http":
		return e, "", errors.New("has no scheme; write https://HOST/PATH")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(address, "#") || u.Opaque != "":
		return e, "", errors.New("has a user, query or fragment; write https://HOST/PATH")
	}
	if name, err = hostName(u.Hostname()); err != nil {
		return e, "", err
	}
	path := u.EscapedPath() // whole: without its last slash, "//" would look plain
	if path != "" && !plainPath([]byte(path)) {
		return e, "", errors.New("has a path with dot segments, empty segments or escapes; write a plain one")
	}
	e.prefix = strings.TrimSuffix(path, "/")
	host := name
	if strings.Contains(name, ":") {
		host = "[" + name + "]"
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return e, "", errors.New("has a port that is none; write 1 to 65535, or leave it out")
		}
		if n != map[string]uint64{"http": 80, "https": 443}[u.Scheme] {
			host += ":" + strconv.FormatUint(n, 10)
		}
	}
	e.origin = origin{scheme: u.Scheme, host: host, owned: true}
	return e, name, nil
}

// hostName brings a host into its one form: lower case, no trailing dot, an
// address as net/netip writes it. Names outside ASCII must be written as DNS
// has them, since their mapping differs from reader to reader (RFC 5895, UTS
// #46); and a number that is no address in full ("127.1", "0x7f000001",
// "010.0.0.1") is one to some resolvers all the same (inet_aton).
func hostName(host string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(name); err == nil {
		if ip.Zone() != "" {
			return "", errors.New("has an address with a zone; write it without")
		}
		return ip.Unmap().String(), nil
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", errors.New("has a host that is no name in DNS; write it in ASCII, with xn-- if it is international")
		}
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") || len(name) > 253 {
		return "", errors.New("has a number for a host that is no address; write an address in its usual form")
	}
	return name, nil
}

// appendJoined appends an endpoint's path and a client's. Segments with which
// the one ends and the other begins are there once: .../v1 and /v1/models make
// .../v1/models. Both are plain, so that the result begins with the endpoint's
// path for every reader.
func appendJoined(dst []byte, prefix string, path []byte) []byte {
	dst = append(dst, prefix...)
	for i := range len(prefix) {
		if prefix[i] != '/' {
			continue
		}
		shared := prefix[i:]
		if len(path) >= len(shared) && string(path[:len(shared)]) == shared && (len(path) == len(shared) || path[len(shared)] == '/') {
			return append(dst, path[len(shared):]...)
		}
	}
	return append(dst, path...)
}

// plainPath reports whether a raw path means the same to every reader: one that
// decodes it, once or twice or never, that takes // for /, \ for /, or a
// segment's end for a parameter. Escapes are fine if they stand for a
// printable ASCII character that is none of those with a meaning in paths: so
// there is no overlong or full-width slash either.
func plainPath(path []byte) bool {
	if len(path) == 0 || path[0] != '/' || bytes.ContainsAny(path, "\\;#?") || bytes.Contains(path, []byte("//")) || bytes.Contains(path, []byte("/.")) {
		return false
	}
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c <= ' ' || c >= 0x7f {
			return false
		}
		if c != '%' {
			continue
		}
		c, ok := unhex(path[i+1:])
		if !ok || c < ' ' || c >= 0x7f || bytes.IndexByte([]byte(`/\.;%#?`), c) >= 0 {
			return false
		}
		i += 2
	}
	return true
}

// unhex reads two hexadecimal digits.
func unhex(b []byte) (c byte, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	for _, d := range b[:2] {
		switch {
		case '0' <= d && d <= '9':
			c = c<<4 | (d - '0')
		case 'a' <= d|0x20 && d|0x20 <= 'f':
			c = c<<4 | (d | 0x20 - 'a' + 10)
		default:
			return 0, false
		}
	}
	return c, true
}

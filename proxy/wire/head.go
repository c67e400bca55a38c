package wire

import "errors"

var errHeadPart = errors.New("method, target or host is empty or has a byte that is not allowed there")

// AppendHead appends the outgoing request line, Host and the client's own
// header lines to dst: order, casing, repetition and value bytes as they came.
// The final blank line is not appended: the caller adds its own lines with
// AppendLine, and the transport adds framing and the blank line.
//
// Left out are the hop-by-hop lines, Content-Length and Host, every line that
// Connection names, and every line for which drop (may be nil) returns true.
// The order matters: what is stripped here is the client's, and what the caller
// injects afterwards no client line can remove, so "Connection: x-api-key"
// never takes the injected key away.
//
// h must have been read without an error. Nothing is allocated if dst has room.
// The name handed to drop is valid during the call only.
func AppendHead(dst []byte, method, target []byte, host string, h *Head, drop func(name []byte) bool) ([]byte, error) {
	if len(method) == 0 || !all(method, isToken) || len(target) == 0 || target[0] != '/' || !all(target, isTarget) || !validHost(host) {
		return dst, errHeadPart
	}
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\n"...)

	return h.appendKept(dst, drop), nil
}

// appendLines appends the lines of a reply that neither hop nor drop nor a
// Connection line takes away: Head.appendKept for heads without a table. Hot
// path: a head without Connection options beyond keep-alive and close is walked
// once, and lines that stay together are copied together.
func appendLines(dst, raw []byte, drop func(name []byte) bool) []byte {
	start, listed := len(dst), false
	run, at := 0, 0 // lines raw[run:at] stay, and are not copied yet
	for {
		line, name, value, _ := nextLine(raw[at:])
		if len(name) == 0 {
			return append(dst, raw[run:at]...)
		}
		if !listed && fold(name, "connection") && !fold(value, "keep-alive") && !fold(value, "close") {
			// Lines before this one may be named in it: begin again.
			dst, run, at, listed = dst[:start], 0, 0, true
			continue
		}
		next := at + len(line)
		if hopByHop(name) || drop != nil && drop(name) || listed && connectionNames(raw, name) {
			dst, run = append(dst, raw[run:at]...), next
		}
		at = next
	}
}

// AppendLine appends "name: value" and CRLF. It refuses a value with CR, LF or
// NUL, or an invalid name, instead of repairing it: a stored key with a stray
// newline must be an error, not another key.
func AppendLine(dst []byte, name string, value []byte) ([]byte, error) {
	if len(name) == 0 {
		return dst, errLineByte
	}
	for i := range len(name) {
		if class[name[i]]&isToken == 0 {
			return dst, errLineByte
		}
	}
	if !all(value, isValue) {
		return dst, errLineByte
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...), nil
}

func validHost(host string) bool {
	if host == "" {
		return false
	}
	for i := range len(host) {
		if class[host[i]]&isHost == 0 {
			return false
		}
	}
	return true
}

// requestHop is hopByHop, with what the transport writes or answers itself.
func requestHop(name []byte) bool {
	switch name[0] | 0x20 {
	case 'e':
		// We have answered or ignored the expectation ourselves.
		return fold(name, "expect")
	case 'h':
		// HTTP2-Settings is meaningful only with the Upgrade that is removed.
		return fold(name, "host") || fold(name, "http2-settings")
	}
	return hopByHop(name)
}

// hopByHop reports the names that concern one connection only (RFC 9110 section
// 7.6.1), and Content-Length, which goes with the framing. Trailer goes with
// the trailers.
func hopByHop(name []byte) bool {
	switch name[0] | 0x20 {
	case 'c':
		return fold(name, "connection") || fold(name, "content-length")
	case 'k':
		return fold(name, "keep-alive")
	case 'p':
		// Proxy-Connection is not in any RFC but still sent by libcurl.
		return fold(name, "proxy-connection") || fold(name, "proxy-authenticate") || fold(name, "proxy-authorization")
	case 't':
		return fold(name, "te") || fold(name, "trailer") || fold(name, "transfer-encoding")
	case 'u':
		return fold(name, "upgrade")
	}
	return false
}

// connectionNames reports whether any Connection line lists name. The number
// of members is bounded by Head.Read.
func connectionNames(raw, name []byte) bool {
	for {
		_, field, list, rest := nextLine(raw)
		if len(field) == 0 {
			return false
		}
		if fold(field, "connection") {
			for len(list) > 0 {
				var member []byte
				member, list = nextMember(list)
				if foldEqual(member, name) {
					return true
				}
			}
		}
		raw = rest
	}
}

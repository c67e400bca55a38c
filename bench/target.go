package bench

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// An endpoint is a target's URL, taken apart.
type endpoint struct {
	tls  bool
	host string // for the Host line
	name string // without the port, for the certificate
	addr string // to dial
	path string // of a chat completion
	base string // before the path of a recorded request
}

// parseEndpoint takes a base URL, such as http://127.0.0.1:8787 or
// https://host/v1, or the whole URL of chat completions.
func parseEndpoint(raw string) (endpoint, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return endpoint{}, errors.New("cannot be read as a URL; write it as http://127.0.0.1:8787")
	case u.Scheme != "http" && u.Scheme != "https":
		return endpoint{}, errors.New("is no http:// or https:// URL; write it as http://127.0.0.1:8787")
	case u.Host == "" || u.Hostname() == "":
		return endpoint{}, errors.New("names no host; write it as http://127.0.0.1:8787")
	case u.User != nil:
		return endpoint{}, errors.New("holds a user name or a password; give it as a header: -H 'Authorization: …'")
	}
	e := endpoint{tls: u.Scheme == "https", host: u.Host, name: u.Hostname(), addr: u.Host}
	if u.Port() == "" {
		e.addr = net.JoinHostPort(u.Hostname(), map[bool]string{true: "443", false: "80"}[e.tls])
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	e.base = strings.TrimSuffix(path, "/v1") // which recorded paths have
	switch {
	case path == "":
		e.path = "/v1/chat/completions"
	case strings.HasSuffix(path, "/v1"):
		e.path = path + "/chat/completions"
	default:
		e.path, e.base = path, ""
	}
	if u.RawQuery != "" {
		e.path += "?" + u.RawQuery
	}
	return e, nil
}

// PublicURL is a URL as it may be shown: without user, password and query.
func PublicURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" { // a file of results may hold anything in its place, a key as well
		return "(unreadable)"
	}
	return fmt.Sprintf("%s://%s%s", u.Scheme, u.Host, u.EscapedPath())
}

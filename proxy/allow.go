package proxy

import (
	"errors"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// An allowList is byoi.allow, compiled. Its entries are of three kinds:
//
//   - addresses: 10.1.2.3, 10.0.0.0/8, fd12::/16, or a pattern for one, such as
//     10.1.*. They hold for the addresses that are called, whatever the host is
//     called.
//   - names: ollama, *.corp.example. What matches is the operator's word for the
//     host, wherever it stands: private addresses are called, and plain http is
//     spoken. Not so cloud metadata, see checkAddress.
//   - "*": every host with a public address, which an empty list says as well.
//
// Addresses are told from names by their looks, so that 10.* does not let in
// 10.evil.example.
type allowList struct {
	any      bool
	names    []string // patterns, in lower case
	prefixes []netip.Prefix
	patterns []string // for addresses
}

// parseAllow reads byoi.allow. bad is called with each entry that is none.
func parseAllow(entries []string, bad func(i int, entry string)) *allowList {
	a := &allowList{any: len(entries) == 0}
	for i, entry := range entries {
		p := strings.TrimSuffix(strings.ToLower(entry), ".")
		if prefix, ok := parsePrefix(p); ok {
			a.prefixes = append(a.prefixes, prefix)
			continue
		}
		_, err := path.Match(p, "")
		switch {
		case err != nil || p == "" || !plainPattern(p):
			bad(i, entry)
		case strings.Trim(p, "*?.") == "":
			a.any = true
		case addressPattern(p):
			a.patterns = append(a.patterns, p)
		default:
			a.names = append(a.names, p)
		}
	}
	return a
}

// parsePrefix reads an address, or a network in CIDR notation.
func parsePrefix(s string) (netip.Prefix, bool) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

// plainPattern refuses what no host can match: a scheme, a path, a port, or a
// name that is not in its ASCII form.
func plainPattern(p string) bool {
	if strings.ContainsAny(p, "/@ ") || strings.Contains(p, ":") && !addressPattern(p) {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// addressPattern reports whether a pattern is for addresses: digits and dots,
// or with a colon hexadecimal digits, besides the wildcards.
func addressPattern(p string) bool {
	const wild = "*?[]-^\\"
	if strings.Contains(p, ":") {
		return strings.Trim(p, wild+":.0123456789abcdef") == "" &&
			(strings.Count(p, ":") > 1 || strings.HasSuffix(p, "*"))
	}
	return strings.Trim(p, wild+".0123456789") == "" && strings.ContainsAny(p, "0123456789")
}

// A hostVerdict says which addresses of a host may be called.
type hostVerdict uint8

const (
	// hostRefused: none.
	hostRefused hostVerdict = iota
	// hostByAddress: those that are listed.
	hostByAddress
	// hostPublic: public ones, and those that are listed.
	hostPublic
	// hostListed: all but metadata services that are not listed themselves.
	hostListed
)

// host judges a host as an endpoint names it: in lower case, without brackets
// and trailing dot.
func (a *allowList) host(name string) hostVerdict {
	if ip, err := netip.ParseAddr(name); err == nil {
		switch {
		case a.address(ip):
			return hostListed
		case a.any:
			return hostPublic
		}
		return hostRefused
	}
	switch {
	case slices.ContainsFunc(a.names, func(p string) bool { return matches(p, name) }):
		return hostListed
	case a.any:
		return hostPublic
	case len(a.prefixes)+len(a.patterns) > 0:
		return hostByAddress
	}
	return hostRefused
}

// address reports whether an address is listed, in the form in which it is
// called or, if it stands for an IPv4 address, as that one.
func (a *allowList) address(ip netip.Addr) bool {
	for _, form := range [...]netip.Addr{ip.WithZone(""), realAddress(ip)} {
		for _, p := range a.prefixes {
			if p.Contains(form) {
				return true
			}
		}
		for _, p := range a.patterns {
			if matches(p, form.String()) {
				return true
			}
		}
	}
	return false
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

var (
	errNotListed  = errors.New("it is not in byoi.allow")
	errOnlyPublic = errors.New("it is not public, and neither it nor the host is in byoi.allow")
	errMetadata   = errors.New("it belongs to the machine's own cloud services; list the address itself in byoi.allow if that is meant")
)

// check judges an address of a host.
func (a *allowList) check(v hostVerdict, ip netip.Addr) error {
	ip = ip.WithZone("")
	switch {
	case a.address(ip):
		return nil
	case metadata(ip):
		return errMetadata
	case v == hostListed:
		return nil
	case v != hostPublic:
		return errNotListed
	case special(ip) != "":
		return errOnlyPublic
	}
	return nil
}

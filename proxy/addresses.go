package proxy

import "net/netip"

// A network is a range of addresses that is not on the public Internet.
type network struct {
	prefix netip.Prefix
	name   string // and where it comes from
}

// networks are the blocks of the IANA IPv4 and IPv6 Special-Purpose Address
// Registries (RFC 6890; as of 2026) that are not globally reachable, and
// multicast (IANA IPv4 and IPv6 Multicast Address Space Registries). Blocks of
// the registries that are reachable and serve nobody's machines (AS112, AMT)
// are left out. IPv6 needs few rows: IANA has given out 2000::/3 only, and
// special refuses all that is outside.
var networks = []network{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 791 section 3.2)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by carriers (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback (RFC 1122 section 3.2.1.3)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local (RFC 3927)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments (RFC 6890 section 2.1)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relays, given up (RFC 7526)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 5771)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved, and broadcast (RFC 1112, RFC 8190)"},

	{netip.MustParsePrefix("::/128"), "unspecified (RFC 4291)"},
	{netip.MustParsePrefix("::1/128"), "loopback (RFC 4291)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64 (RFC 8215)"},
	{netip.MustParsePrefix("fc00::/7"), "private (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), "link-local (RFC 4291)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast (RFC 4291)"},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments, Teredo among them (RFC 2928, RFC 4380)"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation (RFC 3849)"},
	{netip.MustParsePrefix("3fff::/20"), "documentation (RFC 9637)"},
}

// globalUnicast is all that IANA has given out of the IPv6 address space (IANA
// IPv6 Address Space registry).
var globalUnicast = netip.MustParsePrefix("2000::/3")

// metadataNetworks are where machines in clouds find credentials of their own:
// link-local as a whole (AWS, Google Cloud, Azure, Oracle and most others at
// 169.254.169.254; AWS containers at .170.2 and .170.23; Scaleway at .42.42),
// and what the vendors' documentation names elsewhere.
var metadataNetworks = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::/32"),          // AWS: ::254, ::23 for pods, ::253 for names
	netip.MustParsePrefix("fd20:ce::254/128"),       // Google Cloud
	netip.MustParsePrefix("fd00:42::42/128"),        // Scaleway
	netip.MustParsePrefix("168.63.129.16/32"),       // Azure, a public address
	netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba Cloud
	netip.MustParsePrefix("192.0.0.192/32"),         // Oracle Cloud
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle Cloud
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 section 2.1
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056 section 2
)

// realAddress is the IPv4 address that an IPv6 address leads to, else the
// address itself: IPv4-mapped, NAT64, 6to4.
func realAddress(ip netip.Addr) netip.Addr {
	ip = ip.WithZone("").Unmap()
	b := ip.As16()
	switch {
	case ip.Is4():
		return ip
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixTo4.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip
}

// special names what an address is if it is not on the public Internet, ""
// if it is.
func special(ip netip.Addr) string {
	ip = realAddress(ip)
	for i := range networks {
		if networks[i].prefix.Contains(ip) {
			return networks[i].name
		}
	}
	if !ip.IsValid() || ip.Is6() && !globalUnicast.Contains(ip) {
		return "not given out by IANA"
	}
	return ""
}

// metadata reports whether a cloud's own services stand at an address.
func metadata(ip netip.Addr) bool {
	ip = realAddress(ip)
	for _, p := range metadataNetworks {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

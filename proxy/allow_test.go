package proxy

import (
	"net/netip"
	"strings"
	"testing"
)

// Which addresses are on the public Internet, in every form in which an
// address can be written: those of the registries, and their neighbours.
func TestSpecialAddresses(t *testing.T) {
	for _, c := range []struct{ addresses, want string }{
		{"8.8.8.8 1.1.1.1 11.0.0.0 9.255.255.255 100.63.255.255 100.128.0.0 128.0.0.1 169.253.255.255 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 192.31.196.1", ""},
		{"2606:4700::1111 2a00:1450::1 2003::1 2001:200::1 2001:4860:4860::8888", ""},
		{"::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1", ""},
		{"0.0.0.0 0.1.2.3", "this network"},
		{"10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1", "private"},
		{"::ffff:10.0.0.1 64:ff9b::10.0.0.1 2002:a00:1:: 64:ff9b::c0a8:101", "private"},
		{"100.64.0.0 100.127.255.255", "shared"},
		{"127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1", "loopback"},
		{"169.254.0.1 169.254.169.254 fe80::1 fe80::1%eth0 ::ffff:169.254.169.254", "link-local"},
		{"192.0.0.1 192.0.0.192 2001::1 2001:1ff:ffff::1", "protocol assignments"},
		{"192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1 3fff:fff::1", "documentation"},
		{"192.88.99.1", "6to4 relays"},
		{"198.18.0.0 198.19.255.255", "benchmarking"},
		{"224.0.0.1 239.255.255.255 ff02::1", "multicast"},
		{"240.0.0.0 255.255.255.255", "reserved"},
		{":: ", "unspecified"},
		{"fc00::1 fdff::1 fd00:ec2::254", "private"},
		{"64:ff9b:1::1", "local NAT64"},
		{"100::1 5f00::1 fec0::1 ::10.0.0.1 ::8.8.8.8 4000::1 ::ffff:0:808:808", "not given out"},
	} {
		for a := range strings.FieldsSeq(c.addresses) {
			if got := special(netip.MustParseAddr(a)); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("%s is %q, want %q", a, got, c.want)
			}
		}
	}
	if special(netip.Addr{}) == "" {
		t.Error("no address is a public one")
	}
	for a := range strings.FieldsSeq("169.254.169.254 169.254.170.2 fd00:ec2::254 fd00:ec2::23 168.63.129.16 100.100.100.200 192.0.0.192 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe fe80::a9fe:a9fe%1 2002:a9fe:a9fe::1 fd20:ce::254 ::ffff:168.63.129.16") {
		if !metadata(netip.MustParseAddr(a)) {
			t.Errorf("%s is not known for a metadata service", a)
		}
	}
	for a := range strings.FieldsSeq("168.63.129.17 100.100.100.201 10.0.0.1 8.8.8.8 fd00:ec3::254") {
		if metadata(netip.MustParseAddr(a)) {
			t.Errorf("%s is taken for a metadata service", a)
		}
	}
}

// Hosts and addresses, by lists: what is called. A private address is called
// only if the operator has listed it or the host.
func TestAllowList(t *testing.T) {
	list := func(entries ...string) []string { return entries }
	var empty []string
	const yes, no = true, false
	for _, c := range []struct {
		allow     []string
		host      string
		addresses string
		want      bool
	}{
		{empty, "llm.example.com", "8.8.8.8 2606:4700::1111", yes},
		{empty, "llm.example.com", "10.0.0.1 127.0.0.1 169.254.169.254 168.63.129.16 ::1 fd00::1 ::ffff:10.0.0.1 64:ff9b::a00:1 0.0.0.0 224.0.0.1 100.64.0.1", no},
		{empty, "8.8.8.8", "8.8.8.8", yes},
		{empty, "10.0.0.1", "10.0.0.1", no},
		{list("*"), "llm.example.com", "8.8.8.8", yes},
		{list("*"), "llm.example.com", "10.0.0.1 169.254.169.254", no},
		{list("*.*", "?*"), "llm.example.com", "10.0.0.1", no},

		{list("*.example.com"), "llm.example.com", "8.8.8.8 10.0.0.1 127.0.0.1 fd00::1", yes},
		{list("*.Example.COM."), "llm.example.com", "8.8.8.8", yes},
		{list("*.example.com"), "llm.example.com", "169.254.169.254 fd00:ec2::254 168.63.129.16 100.100.100.200 ::ffff:169.254.169.254", no},
		{list("*.example.com"), "example.com", "8.8.8.8", no},
		{list("*.example.com"), "llm.example.com.evil.example", "8.8.8.8", no},
		{list("*.example.com"), "evilexample.com", "8.8.8.8", no},
		{list("*.example.com"), "8.8.8.8", "8.8.8.8", no},
		{list("ollama", "localhost"), "localhost", "127.0.0.1 ::1", yes},

		{list("10.0.0.0/8"), "llm.example.com", "10.9.9.9 ::ffff:10.1.1.1 64:ff9b::a01:101", yes},
		{list("10.0.0.0/8"), "llm.example.com", "11.0.0.1 8.8.8.8 192.168.0.1", no},
		{list("*", "10.0.0.0/8"), "llm.example.com", "8.8.8.8 10.0.0.1", yes},
		{list("*", "10.0.0.0/8"), "llm.example.com", "192.168.0.1", no},
		{list("10.1.2.3"), "10.1.2.3", "10.1.2.3", yes},
		{list("10.1.2.3"), "10.1.2.4", "10.1.2.4", no},
		{list("10.*"), "10.1.2.3", "10.1.2.3", yes},
		{list("10.*"), "10.evil.example", "10.1.2.3", yes}, // the address is listed
		{list("10.*"), "10.evil.example", "192.168.0.1 8.8.8.8", no},
		{list("fd12::/16", "::1"), "llm.example.com", "fd12::1 ::1", yes},
		{list("[::1]"), "::1", "::1", yes},
		{list("fd12:*"), "llm.example.com", "fd12::9", yes},
		{list("169.254.169.254"), "meta.example", "169.254.169.254 ::ffff:169.254.169.254", yes},
		{list("169.254.0.0/16"), "meta.example", "169.254.169.254", yes},
	} {
		bad := func(_ int, entry string) { t.Errorf("%q is refused", entry) }
		a := parseAllow(c.allow, bad)
		v := a.host(c.host)
		for ip := range strings.FieldsSeq(c.addresses) {
			if err := a.check(v, netip.MustParseAddr(ip)); (err == nil) != c.want || v == hostRefused && c.want {
				t.Errorf("%v: %s at %s: %v, want called: %v", c.allow, c.host, ip, err, c.want)
			}
		}
	}
}

// Entries that could never match are refused, instead of leaving a list that
// means something else than it says.
func TestAllowEntriesThatMatchNothing(t *testing.T) {
	for _, entry := range []string{"", ".", "[", "https://llm.example.com", "llm.example.com/v1", "llm.example.com:8443", "10.0.0.1:80", "bücher.example", "a b", "user@host", "10.0.0.0/33", "[fe80::1%eth0]"} {
		refused := false
		parseAllow([]string{entry}, func(i int, e string) { refused = i == 0 && e == entry })
		if !refused {
			t.Errorf("%q is accepted", entry)
		}
		cfg := testConfig()
		cfg.BYOI.Allow = []string{"*", entry}
		cfg.Gateway.URL = "https://gateway.example"
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "byoi.allow[1]") {
			t.Errorf("%q: the configuration says %v", entry, err)
		}
	}
}

package limit_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api/limit"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestClient(t *testing.T) {
	plain := limit.Proxies{Trusted: prefixes("10.0.0.0/8", "::1/128")}
	rfc := limit.Proxies{Trusted: prefixes("10.0.0.0/8", "::1/128"), Header: limit.Forwarded}
	tests := []struct {
		name    string
		proxies limit.Proxies
		remote  string
		header  []string // lines
		want    string
		said    bool
	}{
		{"nobody is trusted", limit.Proxies{}, "10.0.0.1:5", []string{"192.0.2.1"}, "10.0.0.1", false},
		{"a client that pretends", plain, "192.0.2.9:5", []string{"192.0.2.1"}, "192.0.2.9", false},
		{"a proxy", plain, "10.0.0.1:5", []string{"192.0.2.1"}, "192.0.2.1", true},
		{"a proxy over IPv6", plain, "[::1]:5", []string{"2001:db8::1"}, "2001:db8::1", true},
		{"a proxy that is written as IPv6", plain, "[::ffff:10.0.0.1]:5", []string{"192.0.2.1"}, "192.0.2.1", true},
		{"a proxy that says nothing", plain, "10.0.0.1:5", nil, "10.0.0.1", false},
		{"a client that pretends to a proxy", plain, "10.0.0.1:5", []string{"8.8.8.8, 192.0.2.1"}, "192.0.2.1", true},
		{"in a line of its own", plain, "10.0.0.1:5", []string{"8.8.8.8", "192.0.2.1"}, "192.0.2.1", true},
		{"two proxies", plain, "10.0.0.1:5", []string{"8.8.8.8, 192.0.2.1, 10.0.0.2"}, "192.0.2.1", true},
		{"only proxies", plain, "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", true},
		{"what is no address", plain, "10.0.0.1:5", []string{"192.0.2.1, evil"}, "10.0.0.1", false},
		{"what is none, further out", plain, "10.0.0.1:5", []string{"evil, 10.0.0.2"}, "10.0.0.2", true},
		{"with a port", plain, "10.0.0.1:5", []string{"192.0.2.1:99"}, "192.0.2.1", true},
		{"IPv6 with a port", plain, "10.0.0.1:5", []string{"[2001:db8::1]:99"}, "2001:db8::1", true},
		{"the other header", plain, "10.0.0.1:5", nil, "10.0.0.1", false},
		{"RFC 7239", rfc, "10.0.0.1:5", []string{`for=192.0.2.1;proto=https;by=10.0.0.1`}, "192.0.2.1", true},
		{"in quotes", rfc, "10.0.0.1:5", []string{`proto=http; For="[2001:db8::1]:99"`}, "2001:db8::1", true},
		{"one that hides", rfc, "10.0.0.1:5", []string{`for=192.0.2.1, for=_hidden`}, "10.0.0.1", false},
		{"unknown", rfc, "10.0.0.1:5", []string{`for=unknown`}, "10.0.0.1", false},
		{"a quote that never ends", rfc, "10.0.0.1:5", []string{`for="8.8.8.8`, `for=192.0.2.1`}, "192.0.2.1", true},
		{"a connection without an address", plain, "@", []string{"192.0.2.1"}, "invalid IP", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := from(test.remote)
			name := test.proxies.Header
			if name == "" {
				name = limit.XForwardedFor
				r.Header.Set(limit.Forwarded, "for=8.8.4.4") // as the client wrote it
			}
			r.Header[http.CanonicalHeaderKey(name)] = test.header
			if got, said := test.proxies.Client(r); got.String() != test.want || said != test.said {
				t.Errorf("%v %v, want %s %v", got, said, test.want, test.said)
			}
		})
	}
}

// FuzzClient looks for a header by which a client behind a proxy becomes somebody else: whatever it
// sends, the proxy appends where it came from.
func FuzzClient(f *testing.F) {
	for _, seed := range []string{"", "8.8.8.8", `for="`, "for=8.8.8.8;", ",,,", "10.0.0.1,", "[::1", "%zz", `"\`} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, sent string, rfc bool) {
		if strings.ContainsAny(sent, "\r\n\x00") {
			t.Skip("no header")
		}
		p := limit.Proxies{Trusted: prefixes("10.0.0.0/8")}
		r, added := from("10.0.0.1:5"), "192.0.2.1"
		if rfc {
			p.Header, added = limit.Forwarded, "for=192.0.2.1"
		}
		name := http.CanonicalHeaderKey(p.Header)
		if !rfc {
			name = limit.XForwardedFor
		}
		for _, header := range [][]string{{sent + ", " + added}, {sent, added}} {
			r.Header[name] = header
			if got, said := p.Client(r); got.String() != "192.0.2.1" || !said {
				t.Errorf("%q: %v %v", header, got, said)
			}
		}
	})
}

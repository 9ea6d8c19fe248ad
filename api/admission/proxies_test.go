package admission_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api/admission"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestClient(t *testing.T) {
	plain := admission.Proxies{Trusted: prefixes("10.0.0.0/8", "::1/128")}
	rfc := admission.Proxies{Trusted: prefixes("10.0.0.0/8", "::1/128"), Header: admission.Forwarded}
	tests := []struct {
		name      string
		proxies   admission.Proxies
		remote    string
		header    []string // lines
		want      string
		forwarded bool
	}{
		{"no trusted proxy", admission.Proxies{}, "10.0.0.1:5", []string{"192.0.2.1"}, "10.0.0.1", false},
		{"a client that forges the header", plain, "192.0.2.9:5", []string{"192.0.2.1"}, "192.0.2.9", false},
		{"a proxy", plain, "10.0.0.1:5", []string{"192.0.2.1"}, "192.0.2.1", true},
		{"a proxy over IPv6", plain, "[::1]:5", []string{"2001:db8::1"}, "2001:db8::1", true},
		{"a proxy whose address is mapped to IPv6", plain, "[::ffff:10.0.0.1]:5", []string{"192.0.2.1"}, "192.0.2.1", true},
		{"a proxy without the header", plain, "10.0.0.1:5", nil, "10.0.0.1", false},
		{"a client that forges the header behind a proxy", plain, "10.0.0.1:5", []string{"8.8.8.8, 192.0.2.1"}, "192.0.2.1", true},
		{"a proxy that adds a line", plain, "10.0.0.1:5", []string{"8.8.8.8", "192.0.2.1"}, "192.0.2.1", true},
		{"two proxies", plain, "10.0.0.1:5", []string{"8.8.8.8, 192.0.2.1, 10.0.0.2"}, "192.0.2.1", true},
		{"only proxies", plain, "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", true},
		{"no address", plain, "10.0.0.1:5", []string{"192.0.2.1, evil"}, "10.0.0.1", false},
		{"no address beyond another proxy", plain, "10.0.0.1:5", []string{"evil, 10.0.0.2"}, "10.0.0.2", true},
		{"with a port", plain, "10.0.0.1:5", []string{"192.0.2.1:99"}, "192.0.2.1", true},
		{"IPv6 with a port", plain, "10.0.0.1:5", []string{"[2001:db8::1]:99"}, "2001:db8::1", true},
		{"the other header", plain, "10.0.0.1:5", nil, "10.0.0.1", false},
		{"RFC 7239", rfc, "10.0.0.1:5", []string{`for=192.0.2.1;proto=https;by=10.0.0.1`}, "192.0.2.1", true},
		{"in quotes", rfc, "10.0.0.1:5", []string{`proto=http; For="[2001:db8::1]:99"`}, "2001:db8::1", true},
		{"an obfuscated identifier of RFC 7239", rfc, "10.0.0.1:5", []string{`for=192.0.2.1, for=_hidden`}, "10.0.0.1", false},
		{"unknown of RFC 7239", rfc, "10.0.0.1:5", []string{`for=unknown`}, "10.0.0.1", false},
		{"an unterminated quote", rfc, "10.0.0.1:5", []string{`for="8.8.8.8`, `for=192.0.2.1`}, "192.0.2.1", true},
		{"a connection without an address", plain, "@", []string{"192.0.2.1"}, "invalid IP", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := requestFrom(test.remote)
			name := test.proxies.Header
			if name == "" {
				name = admission.XForwardedFor
				r.Header.Set(admission.Forwarded, "for=8.8.4.4") // a header that the proxy passes on unread
			}
			r.Header[http.CanonicalHeaderKey(name)] = test.header
			if got, forwarded := test.proxies.Client(r); got.String() != test.want || forwarded != test.forwarded {
				t.Errorf("Client = %v, forwarded %v; want %s, %v", got, forwarded, test.want, test.forwarded)
			}
		})
	}
}

// FuzzClient looks for a header with which a client behind a trusted proxy changes its address. The
// proxy appends the true address to every header.
func FuzzClient(f *testing.F) {
	for _, seed := range []string{"", "8.8.8.8", `for="`, "for=8.8.8.8;", ",,,", "10.0.0.1,", "[::1", "%zz", `"\`} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, sent string, rfc bool) {
		if strings.ContainsAny(sent, "\r\n\x00") {
			t.Skip("not a valid header")
		}
		p := admission.Proxies{Trusted: prefixes("10.0.0.0/8")}
		r, added := requestFrom("10.0.0.1:5"), "192.0.2.1"
		if rfc {
			p.Header, added = admission.Forwarded, "for=192.0.2.1"
		}
		name := http.CanonicalHeaderKey(p.Header)
		if !rfc {
			name = admission.XForwardedFor
		}
		for _, header := range [][]string{{sent + ", " + added}, {sent, added}} {
			r.Header[name] = header
			if got, forwarded := p.Client(r); got.String() != "192.0.2.1" || !forwarded {
				t.Errorf("Client with header %q = %v, forwarded %v; want 192.0.2.1, true", header, got, forwarded)
			}
		}
	})
}

package limit

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// The headers in which a proxy says whom a request comes from.
const (
	XForwardedFor = "X-Forwarded-For"
	Forwarded     = "Forwarded" // RFC 7239
)

// Proxies are those who may say whom a request comes from. The zero Proxies trusts nobody.
type Proxies struct {
	// Trusted are the addresses of the proxies.
	Trusted []netip.Prefix
	// Header is what they say it in. Only one: what a proxy does not write itself it passes on as the
	// client wrote it. Empty is X-Forwarded-For.
	Header string
}

// Client is the address that a request comes from: that of the connection or, if that is a proxy's, the
// last one in the header that is none. forwarded is true if the header says it. The zero Addr is one that
// cannot be read.
func (p Proxies) Client(r *http.Request) (from netip.Addr, forwarded bool) {
	connection, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	from = connection.Addr().Unmap()
	if len(p.Trusted) == 0 || !p.trusts(from) {
		return from, false
	}
	for _, hop := range p.hops(r.Header) {
		addr, ok := addrOf(hop)
		if !ok {
			return from, forwarded // whoever could be behind it: this is the last that we know
		}
		if from, forwarded = addr, true; !p.trusts(from) {
			break
		}
	}
	return from, forwarded
}

func (p Proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p.Trusted, func(t netip.Prefix) bool { return t.Contains(a) })
}

// hops returns what the header says, the nearest first. A proxy may append to the last line or add a
// line of its own.
func (p Proxies) hops(h http.Header) []string {
	name := p.Header
	if name == "" {
		name = XForwardedFor
	}
	hops := strings.Split(strings.Join(h.Values(name), ","), ",")
	slices.Reverse(hops)
	if strings.EqualFold(name, Forwarded) {
		for i, hop := range hops {
			hops[i] = forParam(hop)
		}
	}
	return hops
}

// forParam returns the value of for= in one element of a Forwarded header; empty if there is none.
func forParam(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "for") {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// addrOf reads an address with or without a port, IPv6 with or without brackets.
func addrOf(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	if len(text) > 2 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap().WithZone(""), err == nil
}

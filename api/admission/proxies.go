package admission

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Headers in which a proxy reports the client's address.
const (
	XForwardedFor = "X-Forwarded-For"
	Forwarded     = "Forwarded" // RFC 7239
)

// Proxies lists the proxies that are trusted to report a client's address. The zero Proxies trusts no
// proxy.
type Proxies struct {
	// Trusted holds the addresses of the proxies.
	Trusted []netip.Prefix
	// Header is the header in which the proxies report the address; empty means X-Forwarded-For.
	// Other headers are ignored: a proxy passes on headers that it does not write, so they come from
	// the client.
	Header string
}

// Client returns the address that a request comes from. If the connection comes from a trusted
// proxy, this is the last address in the header that is not a trusted proxy itself, and forwarded is
// true. Otherwise it is the connection's address. Client returns the zero Addr if it cannot parse the
// connection's address.
func (p Proxies) Client(r *http.Request) (client netip.Addr, forwarded bool) {
	connection, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	client = connection.Addr().Unmap()
	if len(p.Trusted) == 0 || !p.Trusts(client) {
		return client, false
	}
	for _, hop := range p.hops(r.Header) {
		addr, ok := parseHop(hop)
		if !ok {
			return client, forwarded // the hops beyond an unreadable one cannot be trusted
		}
		if client, forwarded = addr, true; !p.Trusts(client) {
			break
		}
	}
	return client, forwarded
}

// Trusts reports whether the address is that of a trusted proxy.
func (p Proxies) Trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p.Trusted, func(t netip.Prefix) bool { return t.Contains(a) })
}

// hops returns the addresses in the header, the nearest first. Several lines of a header count as
// one: a proxy may append to the last line or add a line.
func (p Proxies) hops(h http.Header) []string {
	name := p.Header
	if name == "" {
		name = XForwardedFor
	}
	hops := strings.Split(strings.Join(h.Values(name), ","), ",")
	slices.Reverse(hops)
	if strings.EqualFold(name, Forwarded) {
		for i, hop := range hops {
			hops[i] = forParameter(hop)
		}
	}
	return hops
}

// forParameter returns the parameter "for" of one element of a Forwarded header, or "".
func forParameter(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "for") {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// parseHop parses an address with or without a port, IPv6 with or without brackets.
func parseHop(text string) (netip.Addr, bool) {
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

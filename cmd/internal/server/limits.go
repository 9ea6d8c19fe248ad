package server

import (
	"fmt"
	"net/netip"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/admission"
)

func (l Limits) validate() error {
	for _, limit := range []struct {
		flag  string
		value float64
	}{
		{"max-connections", float64(l.Connections)}, {"max-connections-per-user", float64(l.PerUser)},
		{"max-requests-per-user", float64(l.RequestsPerUser)},
		{"max-connections-per-address", float64(l.PerAddress)}, {"connection-rate", l.Rate},
		{"max-requests", float64(l.Requests)}, {"max-sockets", float64(l.Sockets)}, {"max-sockets-per-address", float64(l.SocketsPerAddress)},
	} {
		if limit.value < 0 {
			return fmt.Errorf("--%s must be 0 or more", limit.flag)
		}
	}
	if _, err := l.proxies(); err != nil {
		return err
	}
	if err := l.origins().Check(); err != nil {
		return fmt.Errorf("--cors-origins and --cors-credentials: %w", err)
	}
	return nil
}

func (l Limits) origins() api.Origins {
	allowed := l.Origins
	if len(allowed) == 1 && allowed[0] == "none" {
		allowed = nil
	}
	return api.Origins{Allowed: allowed, Credentials: l.Credentials}
}

func (l Limits) proxies() (admission.Proxies, error) {
	p := admission.Proxies{Header: l.ForwardedHeader}
	for _, text := range l.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return p, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		p.Trusted = append(p.Trusted, prefix)
	}
	return p, nil
}

// reservedFiles is how many of the process's files are not for clients: connections to the database and of operators, files,
// and a stream's second file while it leaves net/http.
const reservedFiles = 64

// sockets returns the limits of sockets, without the number of streams. The limits must be valid.
func (l Limits) sockets() socketLimits {
	limits := socketLimits{total: l.Sockets, perAddress: l.SocketsPerAddress, streams: func() int { return 0 }}
	if files := MaxFiles(); limits.total == 0 && files > 0 {
		limits.total = max(files-reservedFiles, files/2)
	}
	if limits.perAddress == 0 {
		limits.perAddress = limits.total / 2
	}
	limits.proxies, _ = l.proxies()
	return limits
}

// admission returns the admission controller. The limits must be valid.
func (l Limits) admission() *admission.Controller {
	total := l.Connections
	if total == 0 {
		total = l.sockets().total / 10 * 9
	}
	proxies, _ := l.proxies()
	return admission.New(admission.Options{
		Total: total, PerUser: l.PerUser, PerAddress: l.PerAddress, Rate: l.Rate, Requests: l.Requests, Proxies: proxies,
	})
}

// requests returns the limits of requests that use the database. They must be valid.
func (l Limits) requests() *admission.Requests {
	proxies, _ := l.proxies()
	return admission.NewRequests(admission.RequestOptions{PerClient: l.RequestsPerUser, Proxies: proxies})
}

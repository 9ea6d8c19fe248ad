package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/admission"
)

// maxSilence is how long a connection may be without a successful write before it is closed.
const maxSilence = 5 * time.Minute

// limitFlags say who may open how many streams, and which pages may use the API.
type limitFlags struct {
	MaxConnections           int      `default:"0" env:"PGHERALD_MAX_CONNECTIONS" help:"Streams that may be open; 0 is nine tenths of the files that the process may open."`
	MaxConnectionsPerUser    int      `default:"0" env:"PGHERALD_MAX_CONNECTIONS_PER_USER" help:"Streams that one user may have open; 0 is no limit."`
	MaxConnectionsPerAddress int      `default:"0" env:"PGHERALD_MAX_CONNECTIONS_PER_ADDRESS" help:"Streams that may be open from one address, or from one /64 of IPv6; 0 is no limit. Behind a proxy, give --trusted-proxies."`
	ConnectionRate           float64  `default:"0" env:"PGHERALD_CONNECTION_RATE" help:"Streams that an address may open per second; 0 is no limit."`
	TrustedProxies           []string `env:"PGHERALD_TRUSTED_PROXIES" placeholder:"CIDR" help:"Addresses of proxies that say for whom they ask, such as 10.0.0.0/8,::1; none if not given."`
	ForwardedHeader          string   `enum:"X-Forwarded-For,Forwarded" default:"X-Forwarded-For" env:"PGHERALD_FORWARDED_HEADER" help:"The header in which the trusted proxies say it (${enum}). They must write it themselves."`
	CORSOrigins              []string `default:"*" env:"PGHERALD_CORS_ORIGINS" help:"Origins of other pages that may read and write here, such as https://app.example.com; * is every origin, which may read; none forbids it to all."`
	CORSCredentials          bool     `env:"PGHERALD_CORS_CREDENTIALS" help:"Let those pages send cookies along. Needs --cors-origins by name."`
}

// checkLimits says what makes no sense.
func (f limitFlags) checkLimits() error {
	if f.MaxConnections < 0 || f.MaxConnectionsPerUser < 0 || f.MaxConnectionsPerAddress < 0 || f.ConnectionRate < 0 {
		return errors.New("a limit of connections must be 0 or more")
	}
	if _, err := f.proxies(); err != nil {
		return err
	}
	return f.origins().Check()
}

func (f limitFlags) origins() api.Origins {
	allowed := f.CORSOrigins
	if len(allowed) == 1 && allowed[0] == "none" {
		allowed = nil
	}
	return api.Origins{Allowed: allowed, Credentials: f.CORSCredentials}
}

func (f limitFlags) proxies() (admission.Proxies, error) {
	p := admission.Proxies{Header: f.ForwardedHeader}
	for _, text := range f.TrustedProxies {
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

// admission returns the controller of these limits. checkLimits must have accepted the flags.
func (f limitFlags) admission() *admission.Controller {
	total := f.MaxConnections
	if total == 0 {
		total = maxFiles() / 10 * 9
	}
	proxies, _ := f.proxies()
	return admission.New(admission.Options{
		Total: total, PerUser: f.MaxConnectionsPerUser, PerAddress: f.MaxConnectionsPerAddress,
		Rate: f.ConnectionRate, Proxies: proxies,
	})
}

package server

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/admission"
)

func (l Limits) validate() error {
	if l.Connections < 0 || l.PerUser < 0 || l.PerAddress < 0 || l.Rate < 0 {
		return errors.New("--max-connections, --max-connections-per-user, --max-connections-per-address and --connection-rate must be 0 or more")
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

// admission returns the admission controller. The limits must be valid.
func (l Limits) admission() *admission.Controller {
	total := l.Connections
	if total == 0 {
		total = MaxFiles() / 10 * 9
	}
	proxies, _ := l.proxies()
	return admission.New(admission.Options{
		Total: total, PerUser: l.PerUser, PerAddress: l.PerAddress, Rate: l.Rate, Proxies: proxies,
	})
}

// Package browser refuses requests that a browser sends for a page which must not send them. Other clients
// send the same headers as they like: the package protects the users of browsers, not the server.
package browser

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/pgherald/pgherald/api/problem"
)

// Hosts lists the host names under which clients reach a server. Addresses and localhost are always
// permitted, and "*" permits every name.
//
// A page of evil.example can make a browser resolve evil.example to the address of a server in its user's
// network (DNS rebinding). The server then is of the page's own origin, and no rule for other origins
// applies. But the header Host has the page's name. An address cannot be resolved to another one.
type Hosts []string

// Check returns an error if a name is not a host name.
func (h Hosts) Check() error {
	if slices.Contains(h, "*") && len(h) > 1 {
		return errors.New("* permits every host: give it alone, or list hosts without it")
	}
	for _, name := range h {
		if name != "*" && (name == "" || strings.ContainsAny(name, "*/:@ \t[]")) {
			return fmt.Errorf("%q is no host name: give one without scheme and port, such as events.example.com", name)
		}
	}
	return nil
}

// permits reports whether clients may reach the server under a value of the header Host. Browsers always
// send one; HTTP/1.0 works without.
func (h Hosts) permits(value string) bool {
	name, _, err := net.SplitHostPort(value)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(name); err == nil || value == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	return slices.ContainsFunc(h, func(permitted string) bool {
		return permitted == "*" || strings.EqualFold(strings.TrimSuffix(permitted, "."), name)
	})
}

// Protect returns next for the permitted hosts. It answers other requests with 421, and logs the first.
func (h Hosts) Protect(next http.Handler, logger *slog.Logger) http.Handler {
	if slices.Contains(h, "*") {
		return next
	}
	var logged atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.permits(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		if !logged.Swap(true) {
			logger.Warn("request refused, and further ones silently: if the host is a name of this server, list it in --allowed-hosts",
				"host", r.Host, "path", r.URL.Path)
		}
		problem.Write(w, r, &problem.Problem{
			Status: http.StatusMisdirectedRequest, Code: "host",
			Detail: "this server does not answer under the host name of the request: the operator has to list it in --allowed-hosts",
		})
	})
}

package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateRejects(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no heartbeat":            {func(c *Config) { c.Tuning.Heartbeat = 0 }, "--heartbeat must be more than 0"},
		"a negative drain":        {func(c *Config) { c.Tuning.Drain = -time.Second }, "--drain must be more than 0"},
		"short stale limit":       {func(c *Config) { c.Tuning.StaleLimit = 4 * time.Second }, "--stale-limit must be 0 or at least 5s"},
		"long silence":            {func(c *Config) { c.Tuning.Heartbeat, c.Tuning.WriteTimeout = 4*time.Minute, 2*time.Minute }, "at most 5m0s together"},
		"a negative limit":        {func(c *Config) { c.Limits.PerUser = -1 }, "0 or more"},
		"a proxy's name":          {func(c *Config) { c.Limits.TrustedProxies = []string{"proxy.example"} }, "neither an address nor a network"},
		"a certificate alone":     {func(c *Config) { c.Listen.TLSCert = "a" }, "must be set together"},
		"a key alone":             {func(c *Config) { c.Listen.TLSKey = "a" }, "must be set together"},
		"h2c with TLS":            {func(c *Config) { c.Listen.TLSCert, c.Listen.TLSKey, c.Listen.H2C = "a", "b", true }, "without TLS"},
		"an issuer without jwt":   {func(c *Config) { c.Tokens.Issuer = "i" }, "--jwt-issuer has no effect"},
		"a role without jwt":      {func(c *Config) { c.Tokens.WriteRole = "r" }, "--write-role has no effect"},
		"cookies for all origins": {func(c *Config) { c.Limits.Origins, c.Limits.Credentials = []string{"*"}, true }, "list the origins"},
		"cookies for no origin":   {func(c *Config) { c.Limits.Credentials = true }, "list the origins"},
		"a URL as a host":         {func(c *Config) { c.Listen.AllowedHosts = []string{"https://a.example"} }, "--allowed-hosts: \"https://a.example\" is no host name"},
		"a lifetime without jwt":  {func(c *Config) { c.Tokens.MaxLifetime = time.Hour }, "--jwt-max-lifetime has no effect"},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			c.change(&config)
			if err := config.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Validate returned %v, want %q", err, c.want)
			}
		})
	}
}

func TestAddressesThatNeedTokens(t *testing.T) {
	for addr, rejected := range map[string]bool{
		"127.0.0.1:80": false, "127.9.9.9:80": false, "[::1]:80": false,
		"0.0.0.0:80": true, "[::]:80": true, "192.0.2.1:80": true, "[2001:db8::1]:80": true,
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := (Tokens{Auth: "none"}).validateAddress(tcp); (err != nil) != rejected {
			t.Errorf("%s without tokens: %v", addr, err)
		}
		for _, tokens := range []Tokens{{Auth: "none", Insecure: true}, {Auth: "jwt"}} {
			if err := tokens.validateAddress(tcp); err != nil {
				t.Errorf("%s with %+v: %v", addr, tokens, err)
			}
		}
	}
	if err := (Tokens{Auth: "none"}).validateAddress(&net.UnixAddr{Name: "x"}); err == nil {
		t.Error("an address that is not TCP counted as loopback")
	}
}

// Without a setting, the server knows its names only where clients need no token and reach it on loopback.
func TestHostsOfTheServer(t *testing.T) {
	for _, c := range []struct {
		auth, addr string
		allowed    []string
		host       string
		status     int
	}{
		{"none", "127.0.0.1:80", nil, "evil.example", 421},
		{"none", "127.0.0.1:80", nil, "localhost:80", 404},
		{"none", "[::1]:80", nil, "evil.example", 421},
		{"none", "127.0.0.1:80", []string{"app.example"}, "app.example", 404},
		{"none", "127.0.0.1:80", []string{"*"}, "app.example", 404},
		{"none", "192.0.2.1:80", nil, "app.example", 404},
		{"none", "192.0.2.1:80", []string{"app.example"}, "evil.example", 421},
		{"jwt", "127.0.0.1:80", nil, "app.example", 404},
		{"jwt", "127.0.0.1:80", []string{"app.example"}, "evil.example", 421},
	} {
		tcp, err := net.ResolveTCPAddr("tcp", c.addr)
		if err != nil {
			t.Fatal(err)
		}
		hosts := Listen{AllowedHosts: c.allowed}.hosts(Tokens{Auth: c.auth}, tcp)
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = c.host
		hosts.Protect(http.NotFoundHandler(), slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%+v: status %d", c, w.Code)
		}
	}
}

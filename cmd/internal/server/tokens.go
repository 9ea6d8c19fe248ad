package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/triggers"
)

// minSecret is the least length of a secret in bytes, as package auth checks it.
const minSecret = 32

// validate returns an error if settings for tokens are missing, contradict each other or are too weak. It also
// does so for a setting that has no effect, because an operator may rely on it.
func (t Tokens) validate() error {
	const jwt, forward = "jwt", "forward"
	for _, s := range []struct {
		flag  string
		isSet bool
		modes []string // in which the setting has an effect
	}{
		{"jwt-secret", t.Secret != "", []string{jwt}}, {"jwt-secret-file", t.SecretFile != "", []string{jwt}},
		{"jwt-keys", t.KeysFile != "", []string{jwt}}, {"jwt-jwks", t.JWKS != "", []string{jwt}},
		{"jwt-issuer", t.Issuer != "", []string{jwt}}, {"jwt-audience", t.Audience != "", []string{jwt}},
		{"jwt-max-lifetime", t.MaxLifetime != 0, []string{jwt}},
		{"auth-url", t.URL != "", []string{forward}}, {"auth-forward-headers", len(t.ForwardHeaders) > 0, []string{forward}},
		{"auth-allow-http", t.AllowHTTP, []string{forward}}, {"grants-claim", t.GrantsClaim != "", []string{jwt, forward}},
		{"write-role", t.WriteRole != "", []string{jwt, forward}}, {"publish-role", t.PublishRole != "", []string{jwt, forward}},
		{"operator-role", t.OperatorRole != "", []string{jwt, forward}},
	} {
		if s.isSet && !slices.Contains(s.modes, t.Auth) {
			return fmt.Errorf("--%s has no effect without --auth=%s", s.flag, strings.Join(s.modes, " or --auth="))
		}
	}
	switch {
	case t.Auth == jwt:
		return t.validateJWT()
	case t.Auth == forward && t.URL == "":
		return errors.New("--auth=forward needs --auth-url: the URL of your application that says whose session a request has")
	case t.Auth == forward && t.AllowURLToken:
		return errors.New("--allow-url-token has no effect with --auth=forward: a client that can send only a URL sends a ticket")
	}
	return nil
}

func (t Tokens) validateJWT() error {
	given := 0
	for _, source := range []string{t.Secret, t.SecretFile, t.KeysFile, t.JWKS} {
		if source != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("--auth=jwt needs one of --jwt-secret, --jwt-secret-file, --jwt-keys and --jwt-jwks")
	case t.Secret != "" && len(t.Secret) < minSecret:
		return fmt.Errorf("--jwt-secret has %d bytes: set at least %d random bytes", len(t.Secret), minSecret)
	case t.MaxLifetime < 0:
		return errors.New("--jwt-max-lifetime must be 0 or more")
	case t.Issuer == "" || t.Audience == "":
		return errors.New("--auth=jwt needs --jwt-issuer and --jwt-audience, or tokens for other services would be valid here")
	}
	return nil
}

// validateAddress returns an error if clients need no token and other machines can reach the address.
func (t Tokens) validateAddress(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if t.Auth != "none" || t.Insecure || ok && tcp.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("serve on %s: each client that reaches this address could read and write everything: "+
		"check tokens with --auth=jwt, ask your application with --auth=forward, serve on 127.0.0.1, or set --insecure if a proxy in front authenticates clients", addr)
}

// checker is an authenticator that runs until its context ends.
type checker interface {
	auth.Authenticator
	Run(ctx context.Context)
}

// checker returns the authenticator of clients, nil if they need no token.
func (t Tokens) checker(ctx context.Context, origins api.Origins, meter auth.ForwardMeter, logger *slog.Logger) (checker, error) {
	switch t.Auth {
	case "none":
		return nil, nil //nolint:nilnil // there is none
	case "forward":
		options := auth.ForwardOptions{
			URL: t.URL, AllowHTTP: t.AllowHTTP, Headers: t.ForwardHeaders, RolesClaim: t.RolesClaim, GrantsClaim: t.GrantsClaim,
			Meter: meter, Logger: logger,
		}
		if origins.Credentials {
			options.Origins = origins.Allowed
		}
		forward, err := auth.NewForward(options)
		if err != nil {
			return nil, fmt.Errorf("--auth-url: %w", err)
		}
		return forward, nil
	}
	return t.jwt(ctx, origins, logger)
}

// jwt returns the checker of JSON Web Tokens.
func (t Tokens) jwt(ctx context.Context, origins api.Origins, logger *slog.Logger) (checker, error) {
	options := auth.Options{
		Secret: []byte(t.Secret), JWKS: t.JWKS, Methods: t.Methods, Issuer: t.Issuer, Audience: t.Audience,
		Leeway: t.Leeway, MaxLifetime: t.MaxLifetime, RolesClaim: t.RolesClaim, GrantsClaim: t.GrantsClaim, AllowURLToken: t.AllowURLToken, Logger: logger,
	}
	if origins.Credentials {
		options.Origins = origins.Allowed
	}
	if t.SecretFile != "" {
		secret, err := os.ReadFile(t.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("read --jwt-secret-file: %w", err)
		}
		options.Secret = bytes.TrimRight(secret, "\r\n")
	}
	if t.KeysFile != "" {
		var err error
		if options.PEM, err = os.ReadFile(t.KeysFile); err != nil {
			return nil, fmt.Errorf("read --jwt-keys: %w", err)
		}
	}
	checker, err := auth.New(ctx, options)
	if err != nil {
		return nil, err
	}
	return checker, nil
}

// controlNotified passes on a notification of the control channel: new revocations, changed triggers, or the connection
// whose renewal a server requests.
func (p *pipeline) controlNotified(payload string) {
	switch payload {
	case control.RevocationsPayload:
		p.api.RevocationsChanged()
	case triggers.AppliedPayload:
		p.watcher.applied()
	default:
		p.api.RenewalRequested(payload)
	}
}

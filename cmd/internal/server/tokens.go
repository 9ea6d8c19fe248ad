package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/db/control"
)

// minSecret is the least length of a secret in bytes, as package auth checks it.
const minSecret = 32

// validate returns an error if settings for tokens are missing, contradict each other or are too weak. It also
// does so for a setting that has no effect, because an operator may rely on it.
func (t Tokens) validate() error {
	if t.Auth == "jwt" {
		return t.validateJWT()
	}
	if t.MaxLifetime != 0 {
		return errors.New("--jwt-max-lifetime has no effect without --auth=jwt")
	}
	for _, s := range []struct{ flag, value string }{
		{"jwt-secret", t.Secret}, {"jwt-secret-file", t.SecretFile}, {"jwt-keys", t.KeysFile}, {"jwt-jwks", t.JWKS},
		{"jwt-issuer", t.Issuer}, {"jwt-audience", t.Audience}, {"grants-claim", t.GrantsClaim},
		{"write-role", t.WriteRole}, {"publish-role", t.PublishRole}, {"operator-role", t.OperatorRole},
	} {
		if s.value != "" {
			return fmt.Errorf("--%s has no effect without --auth=jwt", s.flag)
		}
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
		"check tokens with --auth=jwt, serve on 127.0.0.1, or set --insecure if a proxy in front authenticates clients", addr)
}

// checker returns the checker of tokens, nil if clients need none.
func (t Tokens) checker(ctx context.Context, origins api.Origins, logger *slog.Logger) (*auth.JWT, error) {
	if t.Auth == "none" {
		return nil, nil
	}
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
	return auth.New(ctx, options)
}

// controlNotified passes on a notification of the control channel: new revocations, or the connection whose
// renewal a server requests.
func (p *pipeline) controlNotified(payload string) {
	if payload == control.RevocationsPayload {
		p.api.RevocationsChanged()
		return
	}
	p.api.RenewalRequested(payload)
}

// renewals implements api.Renewals with the table of the database, as ticketStore does for tickets.
type renewals struct{ *control.Renewals }

func (s renewals) Request(ctx context.Context, connection string, rights []byte, id auth.Identity) error {
	return s.Renewals.Request(ctx, connection, rights, control.Identity(id))
}

func (s renewals) Answer(ctx context.Context, connection string, rights []byte, end time.Time, renew func(auth.Identity) bool) error {
	return s.Renewals.Answer(ctx, connection, rights, end, func(id control.Identity) bool { return renew(auth.Identity(id)) })
}

// revocationStore implements auth.RevocationStore with the table of the database.
type revocationStore struct {
	revocations *control.Revocations
	lifetime    time.Duration // of a token; 0 if that is not limited
}

func (s revocationStore) Revoke(ctx context.Context, v auth.Revocation, expires time.Time) error {
	return s.revocations.Revoke(ctx, control.Revocation(v), expires)
}

func (s revocationStore) Read(ctx context.Context, since uint64) ([]auth.Revocation, uint64, error) {
	rows, next, err := s.revocations.Read(ctx, since)
	list := make([]auth.Revocation, len(rows))
	for i, row := range rows {
		list[i] = auth.Revocation(row)
	}
	return list, next, err
}

func (s revocationStore) Prune(ctx context.Context) error {
	return s.revocations.Prune(ctx, s.lifetime)
}

// ticketStore implements auth.TicketStore with the tickets of the database. It converts between the Identity
// types of packages auth and control, which do not import each other.
type ticketStore struct{ tickets *control.Tickets }

func (s ticketStore) Issue(ctx context.Context, hash []byte, id auth.Identity, lifetime time.Duration) (time.Time, error) {
	return s.tickets.Issue(ctx, hash, control.Identity(id), lifetime)
}

func (s ticketStore) Redeem(ctx context.Context, hash []byte) (auth.Identity, bool, error) {
	id, valid, err := s.tickets.Redeem(ctx, hash)
	return auth.Identity(id), valid, err
}

package main

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
)

// authFlags say who may ask for what.
type authFlags struct {
	Auth          string        `enum:"none,jwt" default:"none" env:"PGHERALD_AUTH" help:"Who may ask: anybody (none, for loopback), or whoever has a token (${enum})."`
	Insecure      bool          `env:"PGHERALD_INSECURE" help:"Serve on another address than loopback without asking for tokens: for networks where something else does."`
	JWTSecret     string        `name:"jwt-secret" env:"PGHERALD_JWT_SECRET" placeholder:"TEXT" help:"What tokens are signed with (HS256, HS384, HS512), at least 32 bytes. Others can read a command line: use the variable, or --jwt-secret-file."`
	JWTSecretFile string        `name:"jwt-secret-file" type:"existingfile" env:"PGHERALD_JWT_SECRET_FILE" placeholder:"FILE" help:"A file with it, less a line break at the end."`
	JWTKeys       string        `name:"jwt-keys" type:"existingfile" env:"PGHERALD_JWT_KEYS" placeholder:"FILE" help:"Public keys or certificates of who signs, as PEM: RSA (RS, PS), ECDSA (ES), Ed25519 (EdDSA)."`
	JWKS          string        `name:"jwt-jwks" env:"PGHERALD_JWT_JWKS" placeholder:"URL" help:"Where those keys are published. They are read again every 10 minutes, and when a token names a new one."`
	JWTIssuer     string        `name:"jwt-issuer" env:"PGHERALD_JWT_ISSUER" placeholder:"TEXT" help:"What the claim iss must be."`
	JWTAudience   string        `name:"jwt-audience" env:"PGHERALD_JWT_AUDIENCE" placeholder:"TEXT" help:"What the claim aud must be or hold."`
	JWTMethods    []string      `name:"jwt-methods" env:"PGHERALD_JWT_METHODS" placeholder:"NAME" help:"The methods of signing that count, such as RS256; all that the keys are made for if not given."`
	JWTLeeway     time.Duration `name:"jwt-leeway" default:"10s" env:"PGHERALD_JWT_LEEWAY" help:"By how much the issuer's clock may differ from ours."`
	RolesClaim    string        `default:"roles" env:"PGHERALD_ROLES_CLAIM" placeholder:"CLAIM" help:"The claim that lists a user's roles; realm_access.roles leads into an object."`
	GrantsClaim   string        `env:"PGHERALD_GRANTS_CLAIM" placeholder:"CLAIM" help:"The claim that lists what a user may hear, as audiences name it; user:SUB and role:ROLE if not given."`
	AllowURLToken bool          `name:"allow-url-token" env:"PGHERALD_ALLOW_URL_TOKEN" help:"Take tokens as ?access_token= too. URLs end up in the logs of proxies."`
	ActivitiesURL string        `name:"activities-database-url" env:"PGHERALD_ACTIVITIES_DATABASE_URL" placeholder:"URL" help:"The same database as another role, for the activities API alone: one that your policies of row-level security apply to; --database-url if not given."`
	WriteRole     string        `env:"PGHERALD_WRITE_ROLE" placeholder:"ROLE" help:"With --auth=jwt: who may change activities; nobody if not given."`
	PublishRole   string        `env:"PGHERALD_PUBLISH_ROLE" placeholder:"ROLE" help:"With --auth=jwt: who may publish events; nobody if not given."`
	OperatorRole  string        `env:"PGHERALD_OPERATOR_ROLE" placeholder:"ROLE" help:"With --auth=jwt: who may read /api/stats; nobody if not given."`
}

// checkAuth refuses flags that do nothing, which somebody may rely on.
func (f *authFlags) checkAuth() error {
	if f.Auth == "jwt" {
		return nil
	}
	for name, value := range map[string]string{
		"jwt-secret": f.JWTSecret, "jwt-secret-file": f.JWTSecretFile, "jwt-keys": f.JWTKeys, "jwt-jwks": f.JWKS,
		"jwt-issuer": f.JWTIssuer, "jwt-audience": f.JWTAudience, "grants-claim": f.GrantsClaim,
		"write-role": f.WriteRole, "publish-role": f.PublishRole, "operator-role": f.OperatorRole,
	} {
		if value != "" {
			return fmt.Errorf("--%s has no effect without --auth=jwt", name)
		}
	}
	return nil
}

// checkAddress refuses to serve everybody in reach without asking who they are.
func (f *authFlags) checkAddress(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if f.Auth != "none" || f.Insecure || ok && tcp.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("serve on %s: everybody who reaches this address could read and write everything: "+
		"check tokens with --auth=jwt, serve on 127.0.0.1, or give --insecure if something in front checks who asks", addr)
}

// checker returns what checks tokens; nil if nothing does.
func (f *authFlags) checker(ctx context.Context, origins api.Origins, logger *slog.Logger) (*auth.JWT, error) {
	if f.Auth == "none" {
		return nil, nil
	}
	options := auth.Options{
		Secret: []byte(f.JWTSecret), JWKS: f.JWKS, Methods: f.JWTMethods, Issuer: f.JWTIssuer, Audience: f.JWTAudience,
		Leeway: f.JWTLeeway, RolesClaim: f.RolesClaim, GrantsClaim: f.GrantsClaim, AllowURLToken: f.AllowURLToken, Logger: logger,
	}
	if origins.Credentials {
		options.Origins = origins.Allowed
	}
	if f.JWTSecretFile != "" {
		if f.JWTSecret != "" {
			return nil, errors.New("give --jwt-secret or --jwt-secret-file, not both")
		}
		secret, err := os.ReadFile(f.JWTSecretFile)
		if err != nil {
			return nil, fmt.Errorf("read the secret: %w", err)
		}
		options.Secret = bytes.TrimRight(secret, "\r\n")
	}
	if f.JWTKeys != "" {
		var err error
		if options.PEM, err = os.ReadFile(f.JWTKeys); err != nil {
			return nil, fmt.Errorf("read the keys: %w", err)
		}
	}
	return auth.New(ctx, options)
}

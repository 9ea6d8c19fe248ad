package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Options determine which tokens are valid. Exactly one of Secret, PEM and JWKS is required, and so
// are Issuer and Audience.
type Options struct {
	// Secret verifies tokens signed with HS256, HS384 or HS512; at least 32 bytes.
	Secret []byte
	// PEM holds the issuer's public keys, or certificates with them. It has several while the issuer
	// rotates its keys.
	PEM []byte
	// JWKS is the URL of the issuer's key set. The server fetches it periodically, and when a token
	// names a key that is not in the set.
	JWKS string
	// Methods restricts the valid signing methods, such as RS256. If empty, all methods of the keys are
	// valid.
	Methods []string
	// Issuer is the required value of the claim iss. Audience must be one of the values of the claim aud.
	Issuer, Audience string
	// Leeway is the tolerated difference between the clocks of the issuer and the server.
	Leeway time.Duration
	// MaxLifetime is the longest time from iat to exp that a token may have; 0 means no limit. With a limit,
	// tokens must have iat.
	MaxLifetime time.Duration
	// RolesClaim names the claim with the user's roles; "roles" if empty. A path with dots selects a
	// member of nested objects.
	RolesClaim string
	// GrantsClaim names the claim with the user's grants. If empty, the grants are user:NAME and
	// role:ROLE for each role.
	GrantsClaim string
	// AllowURLToken accepts tokens in the URL.
	AllowURLToken bool
	// Origins lists the origins, besides the server's own, whose pages may use the cookie.
	Origins []string
	// Client fetches JWKS. The default has a time-out and follows few redirects.
	Client *http.Client
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger receives a warning when the server cannot fetch JWKS. The default discards it.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.RolesClaim == "" {
		o.RolesClaim = "roles"
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: fetchTimeout, CheckRedirect: checkRedirect}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// JWT authenticates requests by JSON Web Tokens. It is safe for concurrent use.
type JWT struct {
	opts   Options
	keys   keySource
	parser *jwt.Parser
}

var _ Authenticator = (*JWT)(nil)

// keySource provides the keys that verify signatures.
type keySource interface {
	// keysFor returns the key or the keys that may have signed the token.
	keysFor(ctx context.Context, token *jwt.Token) (any, error)
	// run keeps the keys up to date until ctx ends.
	run(ctx context.Context)
}

// New returns a JWT for the options. With Options.JWKS it fetches the keys; the caller must call Run to
// keep them up to date.
func New(ctx context.Context, opts Options) (*JWT, error) {
	opts = opts.withDefaults()
	if opts.Issuer == "" || opts.Audience == "" {
		return nil, errors.New("check tokens: an issuer and an audience are required, or tokens for other services would be valid here")
	}
	if opts.Leeway < 0 || opts.MaxLifetime < 0 {
		return nil, errors.New("check tokens: the leeway must not be negative, nor the maximum lifetime")
	}
	keys, supported, err := loadKeys(ctx, opts)
	if err != nil {
		return nil, err
	}
	methods, err := selectMethods(opts.Methods, supported)
	if err != nil {
		return nil, err
	}
	return &JWT{opts: opts, keys: keys, parser: jwt.NewParser(
		jwt.WithValidMethods(methods), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuer(opts.Issuer),
		jwt.WithAudience(opts.Audience), jwt.WithLeeway(opts.Leeway), jwt.WithTimeFunc(opts.Now), jwt.WithIssuedAt(),
	)}, nil
}

// selectMethods returns the valid signing methods. They depend on the keys, never on a token: otherwise
// a token could use a public key as the secret of HS256 (key confusion).
func selectMethods(wanted, supported []string) ([]string, error) {
	if len(wanted) == 0 {
		return supported, nil
	}
	for _, method := range wanted {
		if !slices.Contains(supported, method) {
			return nil, fmt.Errorf("check tokens: the method %q does not fit the given keys: choose among %v", method, supported)
		}
	}
	return wanted, nil
}

// Run keeps the keys up to date until ctx ends.
func (j *JWT) Run(ctx context.Context) { j.keys.run(ctx) }

// Authenticate verifies the token of a request and returns its identity.
func (j *JWT) Authenticate(r *http.Request) (Identity, error) {
	token, err := j.findToken(r)
	if err != nil {
		return Identity{}, err
	}
	return j.Verify(r.Context(), token)
}

// Verify verifies a token and returns its identity. The error is an *Error.
func (j *JWT) Verify(ctx context.Context, token string) (Identity, error) {
	if len(token) > maxToken {
		return Identity{}, tooLarge()
	}
	if err := checkForm(token); err != nil {
		return Identity{}, err
	}
	claims := &claimSet{latest: j.opts.Now().Add(maxValidity)}
	_, err := j.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return j.keys.keysFor(ctx, t) })
	if err != nil {
		return Identity{}, errorFor(err)
	}
	return j.identity(claims)
}

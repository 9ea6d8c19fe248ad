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

// Options say which tokens hold. Exactly one of Secret, PEM and JWKS is required, and so are Issuer
// and Audience.
type Options struct {
	// Secret is what tokens are signed with (HS256, HS384, HS512); at least 32 bytes.
	Secret []byte
	// PEM are the public keys of who signs, or certificates with them: several while they rotate.
	PEM []byte
	// JWKS is where the keys are published. It is read again from time to time, and when a token
	// names a key that is not known yet.
	JWKS string
	// Methods are the methods of signing that count, such as RS256; all that the keys are made for
	// if there are none.
	Methods []string
	// Issuer and Audience are what the claims iss and aud must be and hold.
	Issuer, Audience string
	// Leeway is by how much the issuer's clock may differ from ours.
	Leeway time.Duration
	// RolesClaim lists the user's roles; "roles" if empty. A path with dots leads into objects.
	RolesClaim string
	// GrantsClaim lists the user's grants. If empty they are user:NAME, and role:ROLE for each role.
	GrantsClaim string
	// AllowURLToken takes tokens in the URL too.
	AllowURLToken bool
	// Origins are other origins whose pages may use the cookie.
	Origins []string
	// Client fetches JWKS; one with a time-out if nil.
	Client *http.Client
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Logger is told when JWKS cannot be fetched.
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

// JWT checks tokens. It implements Checker.
type JWT struct {
	opts   Options
	keys   keys
	parser *jwt.Parser
}

var _ Checker = (*JWT)(nil)

// keys finds what a token's signature is to be checked with.
type keys interface {
	keysOf(ctx context.Context, token *jwt.Token) (any, error)
	// run keeps the keys up to date until ctx ends.
	run(ctx context.Context)
}

// New returns what checks tokens. With JWKS, the keys are fetched by it, and kept up to date by Run.
func New(ctx context.Context, opts Options) (*JWT, error) {
	opts = opts.withDefaults()
	if opts.Issuer == "" || opts.Audience == "" {
		return nil, errors.New("check tokens: an issuer and an audience are required, or tokens made for others would count here")
	}
	if opts.Leeway < 0 {
		return nil, errors.New("check tokens: the leeway must not be negative")
	}
	keys, can, err := load(ctx, opts)
	if err != nil {
		return nil, err
	}
	methods, err := pin(opts.Methods, can)
	if err != nil {
		return nil, err
	}
	return &JWT{opts: opts, keys: keys, parser: jwt.NewParser(
		jwt.WithValidMethods(methods), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuer(opts.Issuer),
		jwt.WithAudience(opts.Audience), jwt.WithLeeway(opts.Leeway), jwt.WithTimeFunc(opts.Now),
	)}, nil
}

// pin returns the methods that count. They follow from the keys, never from a token: else a token
// could have a public key, which everybody knows, taken for a secret.
func pin(asked, can []string) ([]string, error) {
	if len(asked) == 0 {
		return can, nil
	}
	for _, method := range asked {
		if !slices.Contains(can, method) {
			return nil, fmt.Errorf("check tokens: the method %q is not one for the keys that are given: those are %v", method, can)
		}
	}
	return asked, nil
}

// Run keeps the keys up to date until ctx ends.
func (j *JWT) Run(ctx context.Context) { j.keys.run(ctx) }

// Check finds the request's token and checks it.
func (j *JWT) Check(r *http.Request) (Identity, error) {
	token, err := j.tokenOf(r)
	if err != nil {
		return Identity{}, err
	}
	return j.Verify(r.Context(), token)
}

// Verify returns who the token is of. The error is an *Error.
func (j *JWT) Verify(ctx context.Context, token string) (Identity, error) {
	claims := jwt.MapClaims{}
	_, err := j.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return j.keys.keysOf(ctx, t) })
	if err != nil {
		return Identity{}, refusal(err)
	}
	return j.identityOf(claims)
}

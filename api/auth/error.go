package auth

import (
	"errors"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
)

// Error is why a request is refused, in words for its sender.
type Error struct {
	Status int    // of HTTP: 401 if another token would do, 403 if none of this user's will
	Code   string // which check failed, for programs
	Detail string // the same for people, and what to do
}

func (e *Error) Error() string { return e.Detail }

// RoleRequired refuses somebody who is known and may not.
func RoleRequired() *Error {
	return &Error{http.StatusForbidden, "role_required", "your token has no role that may do this: ask for one, or for another token"}
}

func unauthorized(code, detail string) *Error { return &Error{http.StatusUnauthorized, code, detail} }

func required() *Error {
	return unauthorized("token_required", "a token is needed: send it as Authorization: Bearer TOKEN")
}

func malformed() *Error {
	return unauthorized("token_malformed", "the token is not a JWT: it must be three parts of base64url with dots between them, once")
}

func tooLarge() *Error {
	return unauthorized("token_too_large", "the token is larger than 16 KiB")
}

func inURL() *Error {
	return unauthorized("token_in_url", "tokens in URLs end up in logs and are refused: send it as Authorization: Bearer TOKEN, or exchange it for a ticket")
}

func badClaims(detail string) *Error { return unauthorized("token_claims", detail) }

func otherOrigin() *Error {
	return &Error{http.StatusForbidden, "origin", "the cookie counts only for pages of this server's own origin: send the token as Authorization: Bearer TOKEN"}
}

func noKeys() *Error {
	return &Error{http.StatusServiceUnavailable, "keys_unavailable", "the keys to check tokens with cannot be fetched: try again in a moment"}
}

// refusals are what is said of a token, by what the library says. The first that fits counts. All
// that can be wrong with a signature is one and the same to whoever asks: what methods and keys
// there are is not for them to find out.
var refusals = []struct {
	is  error
	say *Error
}{
	{jwt.ErrTokenMalformed, malformed()},
	{jwt.ErrTokenUnverifiable, unauthorized("token_signature", "the token's signature does not hold, or is of a kind that does not count here")},
	{jwt.ErrTokenSignatureInvalid, unauthorized("token_signature", "the token's signature does not hold, or is of a kind that does not count here")},
	{jwt.ErrTokenRequiredClaimMissing, badClaims("the token must have the claims exp, iss, aud and sub")},
	{jwt.ErrInvalidType, badClaims("a claim of the token has the wrong type: exp and nbf are numbers, iss, aud and sub are strings")},
	{jwt.ErrTokenInvalidIssuer, unauthorized("token_issuer", "the token is of another issuer than this server trusts")},
	{jwt.ErrTokenInvalidAudience, unauthorized("token_audience", "the token is meant for another service")},
	{jwt.ErrTokenNotValidYet, unauthorized("token_not_yet_valid", "the token is not valid yet")},
	{jwt.ErrTokenExpired, unauthorized("token_expired", "the token has expired: come with a new one")},
}

// refusal says what is wrong with a token.
func refusal(err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	for _, r := range refusals {
		if errors.Is(err, r.is) {
			return r.say
		}
	}
	return malformed()
}

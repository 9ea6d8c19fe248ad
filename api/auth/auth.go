// Package auth authenticates requests: it returns the identity of a request's user. A JWT finds the token of a
// request and verifies it. A Forward asks the application, which knows its own sessions.
//
// A token is a JWT. A request has it in the header Authorization, in the cookie __Host-pgherald or, if
// Options.AllowURLToken is set, in the URL. Options determine the valid keys, issuer and audience. The
// keys determine the valid signing methods; the token's own header does not. A token must expire.
//
// # Promises
//
//   - An Identity is a value that callers pass on as an argument, never in a context.
//   - A request with an invalid token is rejected. It is never treated as anonymous.
//   - Claims are neither read nor reported before the signature is verified.
//   - An error names the check that failed and gives no hint that helps to pass it. Errors and log
//     lines contain no token and no part of one.
package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/stream/identity"
)

// Identity is the user of a request.
type Identity = identity.Identity

// Authenticator determines the identity of a request.
type Authenticator interface {
	// Authenticate returns the identity of the client. It returns an *Error if the client sent no valid
	// token, and any other error if the server cannot decide.
	Authenticate(r *http.Request) (Identity, error)
}

// Error is the answer to a request that cannot be authenticated or authorized.
type Error struct {
	Status int    // of HTTP: 401 if another token would succeed, 403 if the user lacks a right
	Code   string // of the check that failed, for programs
	Detail string // for people: what is wrong and what to do
	// RetryAfter is the time after which the same request may succeed; 0 if that is unknown.
	RetryAfter time.Duration
	// IsExpected says that the log gets no line for the request, although the status is 5xx: it says why already, and
	// clients could cause one with each request.
	IsExpected bool
	// Application holds the body of the application's refusal: JSON, or nil.
	Application json.RawMessage
}

func (e *Error) Error() string { return e.Detail }

// RoleRequired returns the error for a user without the role that a request needs.
func RoleRequired() *Error {
	return &Error{
		Status: http.StatusForbidden, Code: "role_required",
		Detail: "your token lacks the role for this: have the role added, or send a token that has it",
	}
}

// Expired returns the error for an identity that is no longer valid.
func Expired() *Error {
	return unauthorized("token_expired", "the token has expired: send a new one")
}

func unauthorized(code, detail string) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: code, Detail: detail}
}

func tokenRequired() *Error {
	return unauthorized("token_required", "a token is required: send it as Authorization: Bearer TOKEN")
}

func malformed() *Error {
	return unauthorized("token_malformed", "the token is not a JWT: send exactly one, three parts of base64url with dots between them")
}

func tooLarge() *Error {
	return unauthorized("token_too_large", "the token is larger than 16 KiB: send a smaller one")
}

func tokenInURL() *Error {
	return unauthorized("token_in_url", "tokens in URLs are rejected because logs contain URLs: send it as Authorization: Bearer TOKEN, or exchange it for a ticket")
}

func unsupportedHeader(name string) *Error {
	return unauthorized("token_header", "the token's header "+name+" has a value that this server does not accept: "+
		"send an access token, signed, without extensions")
}

func invalidClaims(detail string) *Error { return unauthorized("token_claims", detail) }

func badSignature() *Error {
	return unauthorized("token_signature", "the token's signature is not valid, or of a method that this server does not accept: get a token from its issuer")
}

func foreignOrigin() *Error {
	return &Error{
		Status: http.StatusForbidden, Code: "origin",
		Detail: "the cookie is accepted only from pages of this server's own origin: send the token as Authorization: Bearer TOKEN",
	}
}

// keysUnavailable returns the error for a token whose key the server may be able to fetch after a time.
func keysUnavailable(after time.Duration) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Code: "keys_unavailable", RetryAfter: after, IsExpected: true,
		Detail: "the server does not have the key that verifies this token: try again in a moment",
	}
}

// tokenErrors maps errors of the JWT library to an *Error; the first match counts. Every fault of a
// signature has the same answer, so that a client cannot find out which methods and keys are valid.
var tokenErrors = []struct {
	cause  error
	answer *Error
}{
	{jwt.ErrTokenMalformed, malformed()},
	{jwt.ErrTokenUnverifiable, badSignature()},
	{jwt.ErrTokenSignatureInvalid, badSignature()},
	{jwt.ErrTokenRequiredClaimMissing, invalidClaims("the token must have the claims exp, iss, aud and sub")},
	{jwt.ErrInvalidType, invalidClaims("a claim of the token is not valid: exp, nbf and iat are seconds since 1970 and at most " +
		"100 years ahead; iss, aud and sub are strings")},
	{jwt.ErrTokenInvalidIssuer, unauthorized("token_issuer", "the token is from an issuer that this server does not trust")},
	{jwt.ErrTokenInvalidAudience, unauthorized("token_audience", "the token is for the audience of another service")},
	{jwt.ErrTokenNotValidYet, unauthorized("token_not_yet_valid", "the token is not valid yet: send it later")},
	{jwt.ErrTokenUsedBeforeIssued, unauthorized("token_not_yet_valid", "the token is not issued yet: its claim iat is ahead of this server's clock")},
	{jwt.ErrTokenExpired, Expired()},
}

// errorFor returns the *Error for an error of the JWT library.
func errorFor(err error) error {
	if ours, ok := errors.AsType[*Error](err); ok {
		return ours
	}
	for _, t := range tokenErrors {
		if errors.Is(err, t.cause) {
			return t.answer
		}
	}
	return malformed()
}

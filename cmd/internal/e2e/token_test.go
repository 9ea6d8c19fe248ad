package e2e

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
)

// tokenSecret signs the tokens of all tests.
const tokenSecret = "a secret of more than 32 bytes, for tests"

// requireTokens makes a server accept the tokens that newToken returns, and no others.
func requireTokens(c *server.Config) {
	c.Tokens.Auth, c.Tokens.Secret = "jwt", tokenSecret
	c.Tokens.Issuer, c.Tokens.Audience = "e2e", "pgherald"
}

// newToken returns a token of a user with roles.
func newToken(t testing.TB, user string, expires time.Time, roles ...string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "e2e", "aud": "pgherald", "sub": user, "roles": roles, "exp": expires.Unix(),
	}).SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// inAnHour is a time at which no test runs any more.
func inAnHour() time.Time { return time.Now().Add(time.Hour) }

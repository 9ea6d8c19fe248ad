package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Limits of claims.
const (
	maxName     = 255 // bytes of a user, a role or a grant
	maxNames    = 256 // roles, or grants
	maxValidity = 100 * 365 * 24 * time.Hour
)

// identity reads the claims of a token whose signature, issuer, audience and times are valid.
func (j *JWT) identity(claims jwt.MapClaims) (Identity, error) {
	user, _ := claims["sub"].(string)
	if !isName(user) {
		return Identity{}, invalidClaims(fmt.Sprintf("the claim sub must be a string of 1 to %d bytes", maxName))
	}
	expires, err := j.expiry(claims)
	if err != nil {
		return Identity{}, err
	}
	roles, err := nameList(claims, j.opts.RolesClaim)
	if err != nil {
		return Identity{}, err
	}
	grants, err := j.grants(claims, user, roles)
	if err != nil {
		return Identity{}, err
	}
	return Identity{User: user, Roles: roles, Grants: grants, Expires: expires}, nil
}

func (j *JWT) grants(claims jwt.MapClaims, user string, roles []string) ([]string, error) {
	if j.opts.GrantsClaim != "" {
		return nameList(claims, j.opts.GrantsClaim)
	}
	grants := []string{"user:" + user}
	for _, role := range roles {
		grants = append(grants, "role:"+role)
	}
	slices.Sort(grants)
	return grants, nil
}

// expiry returns the end of the token's validity by the server's clock, including the leeway. It rejects
// numbers that are too large for a time, whose conversion would have an arbitrary result.
func (j *JWT) expiry(claims jwt.MapClaims) (time.Time, error) {
	seconds, _ := claims["exp"].(float64)
	if seconds > float64(j.opts.Now().Add(maxValidity).Unix()) {
		return time.Time{}, invalidClaims("the claim exp must not be more than 100 years ahead")
	}
	return time.Unix(int64(seconds), 0).Add(j.opts.Leeway), nil
}

// nameList reads a claim with names: an array of strings or, like the claim scope, one string with
// spaces between the names. A missing claim has no names. nameList rejects any other value, so that a
// user who lacks a role because of a malformed claim learns why.
func nameList(claims jwt.MapClaims, path string) ([]string, error) {
	var names []string
	switch value := findClaim(claims, path).(type) {
	case nil:
		return nil, nil
	case string:
		names = strings.Fields(value)
	case []any:
		for _, v := range value {
			name, _ := v.(string) // isName rejects ""
			names = append(names, name)
		}
	default:
		return nil, invalidList(path)
	}
	if len(names) > maxNames || slices.ContainsFunc(names, func(s string) bool { return !isName(s) }) {
		return nil, invalidList(path)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func invalidList(path string) *Error {
	return invalidClaims(fmt.Sprintf("the claim %s must be an array of at most %d strings of 1 to %d bytes, or one string with spaces between them",
		path, maxNames, maxName))
}

// findClaim returns the claim with exactly this name. If there is none, it follows the path into objects.
func findClaim(claims map[string]any, path string) any {
	if value, ok := claims[path]; ok {
		return value
	}
	first, rest, ok := strings.Cut(path, ".")
	inner, isObject := claims[first].(map[string]any)
	if !ok || !isObject {
		return nil
	}
	return findClaim(inner, rest)
}

// isName reports whether a user, role or grant has a valid length and can be stored as text in
// PostgreSQL.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

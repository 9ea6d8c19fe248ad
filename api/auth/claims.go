package auth

import (
	"encoding/json"
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

// claimSet holds the claims of a token. Unlike jwt.MapClaims it rejects times whose conversion would have
// an arbitrary result, such as 1e308.
type claimSet struct {
	jwt.MapClaims
	latest time.Time // which a time may have
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *claimSet) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, &c.MapClaims) }

// GetExpirationTime implements jwt.Claims, as the next two methods do.
func (c *claimSet) GetExpirationTime() (*jwt.NumericDate, error) { return c.date("exp") }

// GetNotBefore returns the claim nbf.
func (c *claimSet) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

// GetIssuedAt returns the claim iat.
func (c *claimSet) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

// date returns a claim with a time, nil if the token does not have it.
func (c *claimSet) date(name string) (*jwt.NumericDate, error) {
	value, ok := c.MapClaims[name]
	if !ok {
		return nil, nil //nolint:nilnil // jwt.Claims demands it
	}
	seconds, ok := value.(float64)
	if !ok || seconds < 0 || seconds > float64(c.latest.Unix()) {
		return nil, fmt.Errorf("read the claim %s: %w", name, jwt.ErrInvalidType)
	}
	return jwt.NewNumericDate(time.Unix(int64(seconds), 0)), nil
}

// claimReader reads what claims say about a user.
type claimReader struct {
	roles  string // the claim with the user's roles
	grants string // the claim with the user's grants; if empty, they are user:NAME and role:ROLE
}

// identity reads the claims of a token whose signature, issuer, audience and times are valid.
func (j *JWT) identity(claims *claimSet) (Identity, error) {
	id, err := claimReader{j.opts.RolesClaim, j.opts.GrantsClaim}.read(claims.MapClaims)
	if err != nil {
		return Identity{}, err
	}
	if err := j.readTimes(claims, &id); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// read returns the identity that the claims name, without its times.
func (c claimReader) read(claims jwt.MapClaims) (id Identity, err error) {
	id.User, _ = claims["sub"].(string)
	if !isName(id.User) {
		return Identity{}, invalidClaims(fmt.Sprintf("the claim sub must be a string of 1 to %d bytes", maxName))
	}
	if value, ok := claims["jti"]; ok {
		if id.TokenID, _ = value.(string); !isName(id.TokenID) {
			return Identity{}, invalidClaims(fmt.Sprintf("the claim jti must be a string of 1 to %d bytes", maxName))
		}
	}
	if id.Roles, err = nameList(claims, c.roles); err != nil {
		return Identity{}, err
	}
	if id.Grants, err = c.readGrants(claims, id.User, id.Roles); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// readTimes sets the times of an identity. Its end includes the leeway. If there is a maximum lifetime, the
// token must say when it was issued: otherwise it could claim a lifetime that began just now.
func (j *JWT) readTimes(claims *claimSet, id *Identity) error {
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return errorFor(jwt.ErrTokenRequiredClaimMissing) // the library has checked it
	}
	id.Expires = expires.Add(j.opts.Leeway)
	issued, err := claims.GetIssuedAt()
	if err != nil {
		return errorFor(err)
	}
	if issued != nil {
		id.IssuedAt = issued.Time
	}
	if limit := j.opts.MaxLifetime; limit > 0 && (issued == nil || expires.Sub(issued.Time) > limit) {
		return invalidClaims(fmt.Sprintf("the token must have the claim iat, and exp must be at most %v after it", limit))
	}
	return nil
}

func (c claimReader) readGrants(claims jwt.MapClaims, user string, roles []string) ([]string, error) {
	if c.grants != "" {
		return nameList(claims, c.grants)
	}
	return defaultGrants(user, roles), nil
}

// defaultGrants returns the grants of a user for whom none are named.
func defaultGrants(user string, roles []string) []string {
	grants := []string{"user:" + user}
	for _, role := range roles {
		grants = append(grants, "role:"+role)
	}
	slices.Sort(grants)
	return grants
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
// PostgreSQL. U+FFFD is not valid: it stands for half of a surrogate pair in the token, and so for
// different names.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\uFFFD")
}

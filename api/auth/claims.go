package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of what a token may claim.
const (
	maxName    = 255 // bytes of a user, a role, a grant
	maxNames   = 256 // roles, or grants
	maxForward = 100 * 365 * 24 * time.Hour
)

// identityOf reads claims of which the signature and what is pinned hold.
func (j *JWT) identityOf(claims jwt.MapClaims) (Identity, error) {
	user, _ := claims["sub"].(string)
	if !isName(user) {
		return Identity{}, badClaims(fmt.Sprintf("the claim sub must be a string of 1 to %d bytes", maxName))
	}
	expires, err := j.end(claims)
	if err != nil {
		return Identity{}, err
	}
	roles, err := list(claims, j.opts.RolesClaim)
	if err != nil {
		return Identity{}, err
	}
	grants, err := j.grantsOf(claims, user, roles)
	if err != nil {
		return Identity{}, err
	}
	return Identity{User: user, Roles: roles, Grants: grants, Expires: expires}, nil
}

func (j *JWT) grantsOf(claims jwt.MapClaims, user string, roles []string) ([]string, error) {
	if j.opts.GrantsClaim != "" {
		return list(claims, j.opts.GrantsClaim)
	}
	grants := []string{"user:" + user}
	for _, role := range roles {
		grants = append(grants, "role:"+role)
	}
	slices.Sort(grants)
	return grants, nil
}

// end is when the token stops to count, by our clock and with the leeway. A number that no clock
// will ever show is refused, as it would come out as any time at all.
func (j *JWT) end(claims jwt.MapClaims) (time.Time, error) {
	seconds, _ := claims["exp"].(float64)
	if seconds > float64(j.opts.Now().Add(maxForward).Unix()) {
		return time.Time{}, badClaims("the claim exp is more than 100 years ahead")
	}
	return time.Unix(int64(seconds), 0).Add(j.opts.Leeway), nil
}

// list reads a claim that lists names: an array of strings, or one string with spaces in between,
// as in the claim scope. Without the claim there are none. Anything else is refused, and not passed
// over: whoever is short of a role by mistake should be told.
func list(claims jwt.MapClaims, path string) ([]string, error) {
	var names []string
	switch value := find(claims, path).(type) {
	case nil:
		return nil, nil
	case string:
		names = strings.Fields(value)
	case []any:
		for _, v := range value {
			name, _ := v.(string) // the empty one is no name
			names = append(names, name)
		}
	default:
		return nil, badList(path)
	}
	if len(names) > maxNames || !all(names, isName) {
		return nil, badList(path)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func badList(path string) *Error {
	return badClaims(fmt.Sprintf("the claim %s must be an array of at most %d strings of 1 to %d bytes, or one string with spaces in between",
		path, maxNames, maxName))
}

// find returns the claim of this name or, if there is none, what is at the end of the path.
func find(claims map[string]any, path string) any {
	if value, ok := claims[path]; ok {
		return value
	}
	first, rest, ok := strings.Cut(path, ".")
	inner, isObject := claims[first].(map[string]any)
	if !ok || !isObject {
		return nil
	}
	return find(inner, rest)
}

// isName is false for what a text of Postgres cannot hold.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

func all(names []string, is func(string) bool) bool {
	return !slices.ContainsFunc(names, func(s string) bool { return !is(s) })
}

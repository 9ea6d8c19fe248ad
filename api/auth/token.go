package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Cookie is the name of the cookie with a token. Because of the prefix __Host-, browsers accept it
// only over TLS, from the host itself, and for all of its paths.
const Cookie = "__Host-pgherald"

// URLParam is the query parameter with a token.
const URLParam = "access_token"

// maxToken is the maximum size of a token in bytes.
const maxToken = 16 << 10

// findToken returns the token of a request. A token in a header or a URL takes precedence over a cookie,
// which a browser sends with every request.
func (j *JWT) findToken(r *http.Request) (string, error) {
	token, err := j.extractToken(r)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", tokenRequired()
	case len(token) > maxToken:
		return "", tooLarge()
	}
	return token, nil
}

// extractToken returns "" if the request has no token.
func (j *JWT) extractToken(r *http.Request) (string, error) {
	inQuery := r.URL.Query()[URLParam]
	if len(inQuery) > 0 && !j.opts.AllowURLToken {
		return "", tokenInURL() // even with a valid header: a log may contain the URL by now
	}
	if token, ok, err := bearerToken(r.Header.Values("Authorization")); ok || err != nil {
		return token, err
	}
	if len(inQuery) > 0 {
		return onlyToken(inQuery)
	}
	var cookies []string
	for _, c := range r.CookiesNamed(Cookie) {
		cookies = append(cookies, c.Value)
	}
	if len(cookies) > 0 && !isFromTrustedPage(r, j.opts.Origins) {
		return "", foreignOrigin()
	}
	if len(cookies) > 0 {
		return onlyToken(cookies)
	}
	return "", nil
}

// bearerToken returns the token of the scheme Bearer. It ignores other schemes: a proxy may use them.
func bearerToken(lines []string) (token string, ok bool, err error) {
	var tokens []string
	for _, line := range lines {
		scheme, token, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.EqualFold(scheme, "Bearer") {
			tokens = append(tokens, strings.TrimSpace(token))
		}
	}
	if len(tokens) == 0 {
		return "", false, nil
	}
	token, err = onlyToken(tokens)
	return token, true, err
}

// onlyToken returns the only token. It rejects an empty one, and several, which could be of different
// users.
func onlyToken(tokens []string) (string, error) {
	if len(tokens) != 1 || tokens[0] == "" {
		return "", malformed()
	}
	return tokens[0], nil
}

// isFromTrustedPage reports whether a page of this server's origin, or of one of the origins, caused a request.
func isFromTrustedPage(r *http.Request, origins []string) bool {
	return slices.Contains(origins, r.Header.Get("Origin")) || isFromOwnPage(r)
}

// isFromOwnPage reports whether a page of this server's origin, or the user, caused a request. The
// cookie does not show this, since a browser sends it with requests that any page causes. Current
// browsers send Sec-Fetch-Site. Older ones send Origin, but may omit it for a GET; a page of another
// origin cannot read the response to that.
func isFromOwnPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	if r.Header.Get("Origin") == "" {
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && origin.Host == r.Host
}

package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Cookie is the name of the cookie with a token. Browsers take one of this name only from the
// host itself, over TLS, and for all of its paths.
const Cookie = "__Host-pgherald"

// URLParam is the query parameter with a token.
const URLParam = "access_token"

// maxToken is how large a token may be, in bytes.
const maxToken = 16 << 10

// tokenOf finds the request's token. What comes in the header goes before a cookie, which a browser
// sends by itself.
func (j *JWT) tokenOf(r *http.Request) (string, error) {
	token, err := j.given(r)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", required()
	case len(token) > maxToken:
		return "", tooLarge()
	}
	return token, nil
}

func (j *JWT) given(r *http.Request) (string, error) {
	inQuery := r.URL.Query()[URLParam]
	if len(inQuery) > 0 && !j.opts.AllowURLToken {
		return "", inURL() // even beside a good one: it is in somebody's log by now
	}
	if token, ok, err := bearer(r.Header.Values("Authorization")); ok || err != nil {
		return token, err
	}
	if len(inQuery) > 0 {
		return sole(inQuery)
	}
	var cookies []string
	for _, c := range r.CookiesNamed(Cookie) {
		cookies = append(cookies, c.Value)
	}
	if len(cookies) > 0 && !j.fromTrustedPage(r) {
		return "", otherOrigin()
	}
	if len(cookies) > 0 {
		return sole(cookies)
	}
	return "", nil
}

// bearer finds a Bearer token. What other schemes say is for somebody else, such as a proxy.
func bearer(lines []string) (token string, ok bool, err error) {
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
	token, err = sole(tokens)
	return token, true, err
}

// sole refuses two tokens, of which one could be somebody else's, and an empty one.
func sole(tokens []string) (string, error) {
	if len(tokens) != 1 || tokens[0] == "" {
		return "", malformed()
	}
	return tokens[0], nil
}

func (j *JWT) fromTrustedPage(r *http.Request) bool {
	return slices.Contains(j.opts.Origins, r.Header.Get("Origin")) || fromOwnPage(r)
}

// fromOwnPage reports whether a cookie may count: it comes with whatever any page makes a browser
// ask for. Today's browsers say where a request comes from. Older ones name the origin of all but
// reads of their own host, whose answers no other page can read.
func fromOwnPage(r *http.Request) bool {
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

package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/api/auth"
)

func TestTokenLocations(t *testing.T) {
	good, bad := token(nil), token(jwt.MapClaims{"aud": "billing"})
	cookie := func(value string) string { return auth.Cookie + "=" + value }
	for name, c := range map[string]struct {
		code   string
		target string
		header []string
	}{
		"no token":                      {"token_required", "/", nil},
		"bearer":                        {"", "/", []string{"Authorization", "Bearer " + good}},
		"bearer in lower case":          {"", "/", []string{"Authorization", "bearer  " + good + " "}},
		"empty bearer":                  {"token_malformed", "/", []string{"Authorization", "Bearer "}},
		"bearer without a token":        {"token_malformed", "/", []string{"Authorization", "Bearer"}},
		"two bearers":                   {"token_malformed", "/", []string{"Authorization", "Bearer " + good, "Authorization", "Bearer " + good}},
		"basic":                         {"token_required", "/", []string{"Authorization", "Basic YTpi"}},
		"basic of a proxy, cookie":      {"", "/", []string{"Authorization", "Basic YTpi", "Cookie", cookie(good)}},
		"cookie":                        {"", "/", []string{"Cookie", cookie(good)}},
		"another cookie":                {"token_required", "/", []string{"Cookie", "pgherald=" + good}},
		"empty cookie":                  {"token_malformed", "/", []string{"Cookie", cookie("")}},
		"two cookies":                   {"token_malformed", "/", []string{"Cookie", cookie(good) + "; " + cookie(good)}},
		"bad bearer, valid cookie":      {"token_audience", "/", []string{"Authorization", "Bearer " + bad, "Cookie", cookie(good)}},
		"valid bearer, bad cookie":      {"", "/", []string{"Authorization", "Bearer " + good, "Cookie", cookie(bad)}},
		"in the URL":                    {"token_in_url", "/?access_token=" + good, nil},
		"in the URL beside a valid one": {"token_in_url", "/?access_token=" + good, []string{"Authorization", "Bearer " + good}},
		"empty in the URL":              {"token_in_url", "/?access_token=", nil},
		"huge":                          {"token_too_large", "/", []string{"Authorization", "Bearer " + strings.Repeat("x", 16<<10+1)}},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := checker(t).Authenticate(request(http.MethodGet, c.target, c.header...))
			if got := codeOf(t, err); got != c.code || (err == nil) != (id.User == "alice") {
				t.Errorf("Authenticate: code %q, want %q: %+v, %v", got, c.code, id, err)
			}
		})
	}
}

func TestAllowURLToken(t *testing.T) {
	j := checker(t, func(o *auth.Options) { o.AllowURLToken = true })
	for target, code := range map[string]string{
		"/?access_token=" + token(nil):                           "",
		"/?access_token=" + token(jwt.MapClaims{"aud": "other"}): "token_audience",
		"/?access_token=":                                        "token_malformed",
		"/?access_token=a&access_token=b":                        "token_malformed",
		"/?Access_token=" + token(nil):                           "token_required",
		"/?access_token=" + long(16<<10+1):                       "token_too_large",
	} {
		_, err := j.Authenticate(request(http.MethodGet, target))
		if got := codeOf(t, err); got != code {
			t.Errorf("Authenticate %.40s: code %q, want %q", target, got, code)
		}
	}
	_, err := j.Authenticate(request(http.MethodGet, "/?access_token="+token(nil), "Authorization", "Bearer x.y.z"))
	if got := codeOf(t, err); got != "token_malformed" {
		t.Errorf("a valid token in the URL beside a malformed header: code %q, want token_malformed", got)
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// A browser sends the cookie with requests that any page causes.
func TestAbuseCookieFromAnotherOrigin(t *testing.T) {
	j := checker(t)
	for _, c := range []struct {
		code, method string
		header       []string
	}{
		{"", "GET", []string{"Sec-Fetch-Site", "same-origin"}},
		{"", "GET", []string{"Sec-Fetch-Site", "none"}}, // typed into the address bar
		{"", "POST", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://behind-a-proxy.example"}},
		{"origin", "GET", []string{"Sec-Fetch-Site", "cross-site"}},
		{"origin", "GET", []string{"Sec-Fetch-Site", "same-site"}},
		{"origin", "GET", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://here.example"}},
		{"origin", "GET", []string{"Sec-Fetch-Site", "nonsense"}},
		// Older browsers do not send Sec-Fetch-Site.
		{"", "GET", nil},
		{"", "HEAD", nil},
		{"origin", "POST", nil},
		{"origin", "DELETE", nil},
		{"", "GET", []string{"Origin", "https://here.example"}},
		{"", "POST", []string{"Origin", "https://here.example"}},
		{"origin", "GET", []string{"Origin", "https://evil.example"}},
		{"origin", "POST", []string{"Origin", "https://evil.example"}},
		{"origin", "GET", []string{"Origin", "https://here.example.evil.example"}},
		{"origin", "GET", []string{"Origin", "https://here.example:8443"}},
		{"origin", "GET", []string{"Origin", "null"}},
		{"origin", "GET", []string{"Origin", "here.example"}},
		{"origin", "GET", []string{"Origin", "https://%zz"}},
	} {
		r := request(c.method, "https://here.example/", append(c.header, "Cookie", auth.Cookie+"="+token(nil))...)
		_, err := j.Authenticate(r)
		if got := codeOf(t, err); got != c.code {
			t.Errorf("%s %v: code %q, want %q", c.method, c.header, got, c.code)
		}
	}
	trusting := checker(t, func(o *auth.Options) { o.Origins = []string{"https://app.example"} })
	for origin, code := range map[string]string{"https://app.example": "", "https://app.example.evil.example": "origin", "http://app.example": "origin"} {
		_, err := trusting.Authenticate(request("POST", "/", "Cookie", auth.Cookie+"="+token(nil), "Origin", origin, "Sec-Fetch-Site", "same-site"))
		if got := codeOf(t, err); got != code {
			t.Errorf("cookie from %s with one trusted origin: code %q, want %q", origin, got, code)
		}
	}
	// A page of another origin cannot set the header, so it needs no check.
	if _, err := j.Authenticate(request("POST", "/", "Origin", "https://evil.example", "Authorization", "Bearer "+token(nil))); err != nil {
		t.Error(err)
	}
}

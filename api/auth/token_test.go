package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/api/auth"
)

func TestWhereATokenMayStand(t *testing.T) {
	good, bad := token(nil), token(jwt.MapClaims{"aud": "billing"})
	cookie := func(value string) string { return auth.Cookie + "=" + value }
	for name, c := range map[string]struct {
		code   string
		target string
		header []string
	}{
		"nowhere":                       {"token_required", "/", nil},
		"bearer":                        {"", "/", []string{"Authorization", "Bearer " + good}},
		"bearer in small letters":       {"", "/", []string{"Authorization", "bearer  " + good + " "}},
		"empty bearer":                  {"token_malformed", "/", []string{"Authorization", "Bearer "}},
		"only the word":                 {"token_malformed", "/", []string{"Authorization", "Bearer"}},
		"two bearers":                   {"token_malformed", "/", []string{"Authorization", "Bearer " + good, "Authorization", "Bearer " + good}},
		"basic":                         {"token_required", "/", []string{"Authorization", "Basic YTpi"}},
		"basic of a proxy, and cookie":  {"", "/", []string{"Authorization", "Basic YTpi", "Cookie", cookie(good)}},
		"cookie":                        {"", "/", []string{"Cookie", cookie(good)}},
		"another cookie":                {"token_required", "/", []string{"Cookie", "pgherald=" + good}},
		"empty cookie":                  {"token_malformed", "/", []string{"Cookie", cookie("")}},
		"two cookies":                   {"token_malformed", "/", []string{"Cookie", cookie(good) + "; " + cookie(good)}},
		"bad bearer beside good cookie": {"token_audience", "/", []string{"Authorization", "Bearer " + bad, "Cookie", cookie(good)}},
		"good bearer beside bad cookie": {"", "/", []string{"Authorization", "Bearer " + good, "Cookie", cookie(bad)}},
		"in the URL":                    {"token_in_url", "/?access_token=" + good, nil},
		"in the URL beside a good one":  {"token_in_url", "/?access_token=" + good, []string{"Authorization", "Bearer " + good}},
		"empty in the URL":              {"token_in_url", "/?access_token=", nil},
		"huge":                          {"token_too_large", "/", []string{"Authorization", "Bearer " + strings.Repeat("x", 16<<10+1)}},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := checker(t).Check(request(http.MethodGet, c.target, c.header...))
			if got := codeOf(t, err); got != c.code || (err == nil) != (id.User == "alice") {
				t.Errorf("code %q, want %q: %+v, %v", got, c.code, id, err)
			}
		})
	}
}

func TestTokenInTheURLWhereSwitchedOn(t *testing.T) {
	j := checker(t, func(o *auth.Options) { o.AllowURLToken = true })
	for target, code := range map[string]string{
		"/?access_token=" + token(nil):                           "",
		"/?access_token=" + token(jwt.MapClaims{"aud": "other"}): "token_audience",
		"/?access_token=":                                        "token_malformed",
		"/?access_token=a&access_token=b":                        "token_malformed",
		"/?Access_token=" + token(nil):                           "token_required",
		"/?access_token=" + long(16<<10+1):                       "token_too_large",
	} {
		_, err := j.Check(request(http.MethodGet, target))
		if got := codeOf(t, err); got != code {
			t.Errorf("%.40s: code %q, want %q", target, got, code)
		}
	}
	_, err := j.Check(request(http.MethodGet, "/?access_token="+token(nil), "Authorization", "Bearer x.y.z"))
	if got := codeOf(t, err); got != "token_malformed" {
		t.Errorf("beside a bad header: code %q", got)
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// A browser sends a cookie with what any page makes it ask for.
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
		// Browsers that do not say where a request comes from.
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
		_, err := j.Check(r)
		if got := codeOf(t, err); got != c.code {
			t.Errorf("%s %v: code %q, want %q", c.method, c.header, got, c.code)
		}
	}
	trusting := checker(t, func(o *auth.Options) { o.Origins = []string{"https://app.example"} })
	for origin, code := range map[string]string{"https://app.example": "", "https://app.example.evil.example": "origin", "http://app.example": "origin"} {
		_, err := trusting.Check(request("POST", "/", "Cookie", auth.Cookie+"="+token(nil), "Origin", origin, "Sec-Fetch-Site", "same-site"))
		if got := codeOf(t, err); got != code {
			t.Errorf("from %s, of which one is trusted: code %q, want %q", origin, got, code)
		}
	}
	// Nobody sends a header by mistake.
	if _, err := j.Check(request("POST", "/", "Origin", "https://evil.example", "Authorization", "Bearer "+token(nil))); err != nil {
		t.Error(err)
	}
}

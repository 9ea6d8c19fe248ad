package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/api/auth"
)

// signText signs a header and claims in exactly this spelling.
func signText(header, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature := must(jwt.SigningMethodHS256.Sign(text, secret))
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

var validClaims = fmt.Sprintf(`"iss":%q,"aud":%q,"sub":"alice","exp":%d`, issuer, audience, now.Add(time.Hour).Unix())

func TestHeaders(t *testing.T) {
	j := checker(t)
	for header, code := range map[string]string{
		`"typ":"JWT"`:                   "",
		`"typ":"jwt"`:                   "",
		`"typ":"at+jwt"`:                "",
		`"typ":"application/at+JWT"`:    "",
		`"kid":"any","x5t":"x"`:         "",
		`"b64":true`:                    "",
		`"typ":"logout+jwt"`:            "token_header",
		`"typ":"dpop+jwt"`:              "token_header",
		`"typ":"secevent+jwt"`:          "token_header",
		`"typ":"id_token"`:              "token_header",
		`"typ":""`:                      "token_header",
		`"typ":null`:                    "token_header",
		`"typ":["JWT"]`:                 "token_header",
		`"crit":["exp"],"exp":1`:        "token_header",
		`"crit":["b64"],"b64":true`:     "token_header",
		`"crit":["http://a.example/x"]`: "token_header",
		`"crit":[]`:                     "token_header",
		`"crit":null`:                   "token_header",
		`"b64":false`:                   "token_header",
		`"b64":null`:                    "token_header",
		`"b64":"true"`:                  "token_header",
		`"zip":"DEF"`:                   "token_header",
		`"zip":""`:                      "token_header",
		`"enc":"A128GCM"`:               "token_header",
		`"cty":"JWT"`:                   "token_header",
		`"cty":"application/jwt"`:       "token_header",
		`"kid":7`:                       "token_header",
		`"kid":["a"]`:                   "token_header",
		`"kid":"` + strings.Repeat("x", 257) + `"`: "token_header",
		`"typ":"JWT","typ":"JWT"`:                  "token_malformed",
		`"typ":"JWT","t\u0079p":"logout+jwt"`:      "token_malformed",
		`"alg":"none"`:                             "token_malformed", // the second alg
		`"kid":"\xff"`:                             "token_malformed",
	} {
		t.Run(header, func(t *testing.T) {
			checkCode(t, j, code, signText(`{"alg":"HS256",`+header+`}`, `{`+validClaims+`}`))
		})
	}
}

// Of two members of the same name, another reader of the token may take the other one.
func TestAbuseAmbiguousClaims(t *testing.T) {
	j := checker(t)
	for claims, code := range map[string]string{
		`{` + validClaims + `}`:                                    "",
		` {` + validClaims + `,"x":[{"a":1},{"a":1}]} `:            "",
		`{` + validClaims + `,"x":{"y":"x"},"y":{"x":["x","x"]}}`:  "",
		`{` + validClaims + `,"sub":"admin"}`:                      "token_malformed",
		`{` + validClaims + `,"s\u0075b":"admin"}`:                 "token_malformed",
		`{` + validClaims + `,"realm":{"roles":[],"roles":["x"]}}`: "token_malformed",
		`{` + validClaims + `,"x":[[{"a":1,"a":2}]]}`:              "token_malformed",
		`{` + validClaims + `}{}`:                                  "token_malformed",
		`{` + validClaims + `,"x":"\xff"}`:                         "token_malformed",
		`{` + validClaims + `,"x":NaN}`:                            "token_malformed",
		`{` + validClaims + `,"x":1e999}`:                          "token_malformed",
		`[{` + validClaims + `}]`:                                  "token_malformed",
		`null`:                                                     "token_malformed",
		``:                                                         "token_malformed",
	} {
		checkCode(t, j, code, signText(`{"alg":"HS256"}`, claims))
	}
}

func TestAbuseHugeTokens(t *testing.T) {
	j := checker(t)
	deep := strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000)
	checkCode(t, j, "", signText(`{"alg":"HS256"}`, `{`+validClaims+`,"x":`+deep+`}`))
	checkCode(t, j, "token_too_large", signText(`{"alg":"HS256"}`, `{`+validClaims+`,"x":"`+strings.Repeat("x", 16<<10)+`"}`))
	checkCode(t, j, "token_too_large", strings.Repeat(".", 1<<20))
}

func TestMaxLifetime(t *testing.T) {
	j := checker(t, func(o *auth.Options) { o.MaxLifetime = time.Hour })
	for _, c := range []struct {
		code   string
		claims jwt.MapClaims
	}{
		{"", jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}},
		{"token_claims", jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(time.Hour + time.Second).Unix()}},
		{"token_claims", jwt.MapClaims{"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(time.Second).Unix()}},
		{"token_claims", jwt.MapClaims{"exp": now.Add(time.Minute).Unix()}},
	} {
		checkCode(t, j, c.code, token(c.claims))
	}
}

func TestIdentityNamesItsToken(t *testing.T) {
	id, err := checker(t).Verify(t.Context(), token(jwt.MapClaims{"jti": "t-1", "iat": now.Add(-time.Minute).Unix()}))
	if err != nil || id.TokenID != "t-1" || !id.IssuedAt.Equal(now.Add(-time.Minute)) {
		t.Errorf("Verify: %+v, %v", id, err)
	}
	id, err = checker(t).Verify(t.Context(), token(nil))
	if err != nil || id.TokenID != "" || !id.IssuedAt.IsZero() {
		t.Errorf("Verify without jti and iat: %+v, %v", id, err)
	}
}

// A token that is accepted has the same header and claims for a reader that knows nothing of this package.
func FuzzForm(f *testing.F) {
	f.Add(`"typ":"JWT"`, `"x":[{"a":{}}]`)
	f.Add(`"typ":"JWT","typ":"x"`, `"sub":"eve"`)
	f.Add(`"crit":[]`, `"\ud800":1`)
	j := checker(f)
	f.Fuzz(func(t *testing.T, header, claims string) {
		text := `{"alg":"HS256",` + header + `}`
		id, err := j.Verify(t.Context(), signText(text, `{`+validClaims+`,`+claims+`}`))
		if err != nil {
			codeOf(t, err)
			return
		}
		if id.User != "alice" || !id.Expires.Equal(now.Add(time.Hour+leeway)) {
			t.Errorf("identity %+v", id)
		}
		var read map[string]any
		if err := json.Unmarshal([]byte(text), &read); err != nil || read["alg"] != "HS256" || read["crit"] != nil || read["zip"] != nil {
			t.Errorf("header %s, %v", text, err)
		}
	})
}

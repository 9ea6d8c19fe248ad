package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api/auth"
)

func TestSigningMethods(t *testing.T) {
	for name, c := range map[string]struct {
		keys    func(*auth.Options)
		methods []jwt.SigningMethod
		key     any
	}{
		"secret":  {func(*auth.Options) {}, []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512}, secret},
		"RSA":     {withPEM(publicPEM(rsaKey())), []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodRS512, jwt.SigningMethodPS256}, rsaKey()},
		"ECDSA":   {withPEM(publicPEM(ecKey())), []jwt.SigningMethod{jwt.SigningMethodES256}, ecKey()},
		"Ed25519": {withPEM(publicPEM(edKey())), []jwt.SigningMethod{jwt.SigningMethodEdDSA}, edKey()},
	} {
		t.Run(name, func(t *testing.T) {
			j := checker(t, c.keys)
			for _, method := range c.methods {
				id, err := j.Verify(t.Context(), sign(method, c.key, with(nil)))
				want := auth.Identity{User: "alice", Grants: []string{"user:alice"}, Expires: now.Add(time.Hour + leeway)}
				if diff := cmp.Diff(want, id); diff != "" || err != nil {
					t.Errorf("Verify with %s: %v (-want +got):\n%s", method.Alg(), err, diff)
				}
			}
		})
	}
}

// An issuer that rotates its keys has several in one file.
func TestSeveralKeys(t *testing.T) {
	j := checker(t, withPEM(publicPEM(otherRSA(), ecKey(), rsaKey(), edKey())))
	for method, key := range map[jwt.SigningMethod]any{
		jwt.SigningMethodRS256: rsaKey(), jwt.SigningMethodPS384: otherRSA(), jwt.SigningMethodES256: ecKey(), jwt.SigningMethodEdDSA: edKey(),
	} {
		checkCode(t, j, "", sign(method, key, with(nil)))
	}
	checkCode(t, checker(t, withPEM(publicPEM(otherRSA(), ecKey()))), "token_signature", sign(jwt.SigningMethodRS256, rsaKey(), with(nil)))
}

func TestRolesAndGrants(t *testing.T) {
	claims := jwt.MapClaims{
		"roles": []string{"nurse", "admin", "nurse"}, "scope": "read  write", "none": []string{},
		"realm": map[string]any{"access": map[string]any{"roles": []string{"deep"}}}, "https://a.example/roles": []string{"flat"},
	}
	for _, c := range []struct {
		rolesClaim, grantsClaim string
		roles, grants           []string
	}{
		{"", "", []string{"admin", "nurse"}, []string{"role:admin", "role:nurse", "user:alice"}},
		{"scope", "", []string{"read", "write"}, []string{"role:read", "role:write", "user:alice"}},
		{"realm.access.roles", "", []string{"deep"}, []string{"role:deep", "user:alice"}},
		{"https://a.example/roles", "", []string{"flat"}, []string{"role:flat", "user:alice"}},
		{"absent", "", nil, []string{"user:alice"}},
		{"realm.absent.roles", "", nil, []string{"user:alice"}},
		{"sub.roles", "", nil, []string{"user:alice"}},
		{"", "scope", []string{"admin", "nurse"}, []string{"read", "write"}},
		{"", "absent", []string{"admin", "nurse"}, nil}, // not the default of an empty GrantsClaim
		{"", "none", []string{"admin", "nurse"}, nil},
	} {
		j := checker(t, func(o *auth.Options) { o.RolesClaim, o.GrantsClaim = c.rolesClaim, c.grantsClaim })
		id, err := j.Verify(t.Context(), token(claims))
		if err != nil {
			t.Errorf("Verify with %+v: %v", c, err)
		}
		if diff := cmp.Diff([][]string{c.roles, c.grants}, [][]string{id.Roles, id.Grants}); diff != "" {
			t.Errorf("roles and grants from %q and %q (-want +got):\n%s", c.rolesClaim, c.grantsClaim, diff)
		}
	}
}

func TestClaims(t *testing.T) {
	j := checker(t)
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		code   string
		claims jwt.MapClaims
	}{
		"no exp":               {"token_claims", jwt.MapClaims{"exp": nil}},
		"exp 0":                {"token_expired", jwt.MapClaims{"exp": 0}},
		"exp 1e308":            {"token_claims", jwt.MapClaims{"exp": 1e308}},
		"exp is null":          {"token_claims", jwt.MapClaims{"exp": (*int)(nil)}},
		"exp is a list":        {"token_claims", jwt.MapClaims{"exp": []int64{now.Unix() + 3600}}},
		"exp is negative":      {"token_claims", jwt.MapClaims{"exp": -1}},
		"exp with a fraction":  {"", jwt.MapClaims{"exp": float64(now.Unix()) + 60.5}},
		"nbf 1e308":            {"token_claims", jwt.MapClaims{"nbf": 1e308}},
		"nbf -1e308":           {"token_claims", jwt.MapClaims{"nbf": -1e308}},
		"nbf 1e19":             {"token_claims", jwt.MapClaims{"nbf": 1e19}},
		"nbf is null":          {"token_claims", jwt.MapClaims{"nbf": (*int)(nil)}},
		"nbf is true":          {"token_claims", jwt.MapClaims{"nbf": true}},
		"nbf 0":                {"", jwt.MapClaims{"nbf": 0}},
		"iat 1e308":            {"token_claims", jwt.MapClaims{"iat": 1e308}},
		"iat is negative":      {"token_claims", jwt.MapClaims{"iat": -1}},
		"iat is a string":      {"token_claims", jwt.MapClaims{"iat": "now"}},
		"iat is NaN":           {"token_claims", jwt.MapClaims{"iat": "NaN"}},
		"future iat":           {"token_not_yet_valid", jwt.MapClaims{"iat": now.Add(leeway + time.Second).Unix()}},
		"iat in the leeway":    {"", jwt.MapClaims{"iat": now.Add(leeway).Unix()}},
		"jti is a number":      {"token_claims", jwt.MapClaims{"jti": 7}},
		"empty jti":            {"token_claims", jwt.MapClaims{"jti": ""}},
		"long jti":             {"token_claims", jwt.MapClaims{"jti": long}},
		"sub is not Unicode":   {"token_claims", jwt.MapClaims{"sub": json.RawMessage(`"alice\ud800"`)}},
		"a role is not":        {"token_claims", jwt.MapClaims{"roles": json.RawMessage(`["a\udc00"]`)}},
		"exp is a string":      {"token_claims", jwt.MapClaims{"exp": "1764003600"}},
		"exp beyond 100 years": {"token_claims", jwt.MapClaims{"exp": 4e9 * 4}},
		"exp below all times":  {"token_claims", jwt.MapClaims{"exp": -1e300}},
		"expired":              {"token_expired", jwt.MapClaims{"exp": now.Add(-leeway).Unix()}},
		"just not expired":     {"", jwt.MapClaims{"exp": now.Add(-leeway + time.Second).Unix()}},
		"future nbf":           {"token_not_yet_valid", jwt.MapClaims{"nbf": now.Add(leeway + time.Second).Unix()}},
		"nbf in the leeway":    {"", jwt.MapClaims{"nbf": now.Add(leeway).Unix()}},
		"nbf is a string":      {"token_claims", jwt.MapClaims{"nbf": "soon"}},
		"no iss":               {"token_claims", jwt.MapClaims{"iss": nil}},
		"wrong iss":            {"token_issuer", jwt.MapClaims{"iss": "https://issuer.example"}},
		"iss is a list":        {"token_claims", jwt.MapClaims{"iss": []string{issuer}}},
		"no aud":               {"token_claims", jwt.MapClaims{"aud": nil}},
		"wrong aud":            {"token_audience", jwt.MapClaims{"aud": "billing"}},
		"one aud of several":   {"", jwt.MapClaims{"aud": []string{"billing", audience}}},
		"wrong auds":           {"token_audience", jwt.MapClaims{"aud": []string{"billing", "pgherald2"}}},
		"aud is a number":      {"token_claims", jwt.MapClaims{"aud": 1}},
		"no sub":               {"token_claims", jwt.MapClaims{"sub": nil}},
		"empty sub":            {"token_claims", jwt.MapClaims{"sub": ""}},
		"sub is a number":      {"token_claims", jwt.MapClaims{"sub": 7}},
		"long sub":             {"token_claims", jwt.MapClaims{"sub": long}},
		"sub with NUL":         {"token_claims", jwt.MapClaims{"sub": "alice\x00"}},
		"roles is a number":    {"token_claims", jwt.MapClaims{"roles": 1}},
		"roles is an object":   {"token_claims", jwt.MapClaims{"roles": map[string]any{"admin": true}}},
		"a role is a number":   {"token_claims", jwt.MapClaims{"roles": []any{"nurse", 1}}},
		"a role is empty":      {"token_claims", jwt.MapClaims{"roles": []any{""}}},
		"a role with NUL":      {"token_claims", jwt.MapClaims{"roles": []any{"\x00"}}},
		"many roles":           {"token_claims", jwt.MapClaims{"roles": strings.Repeat("x ", 257)}},
		"roles is null":        {"", jwt.MapClaims{"roles": (*string)(nil)}},
		"expired, wrong aud":   {"token_audience", jwt.MapClaims{"aud": "billing", "exp": 1}},
	} {
		t.Run(name, func(t *testing.T) { checkCode(t, j, c.code, token(c.claims)) })
	}
}

func TestAbuseAlgNone(t *testing.T) {
	unsigned := sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, with(nil))
	for _, j := range []*auth.JWT{checker(t), checker(t, withPEM(publicPEM(rsaKey())))} {
		checkCode(t, j, "token_signature", unsigned)
		for _, alg := range []string{"None", "NONE", "nOnE", ""} {
			header := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"` + alg + `"}`))
			checkCode(t, j, "token_signature", header+unsigned[strings.Index(unsigned, "."):])
		}
	}
}

// If a token could declare the public key to be a secret, every client could sign.
func TestAbuseKeyConfusion(t *testing.T) {
	public := publicPEM(rsaKey())
	j := checker(t, withPEM(public))
	der := must(x509.MarshalPKIXPublicKey(rsaKey().Public()))
	for _, key := range [][]byte{public, []byte(strings.TrimSpace(string(public))), der, x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)} {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS512} {
			checkCode(t, j, "token_signature", sign(method, key, with(nil)))
		}
	}
	checkCode(t, j, "token_signature", sign(jwt.SigningMethodES256, ecKey(), with(nil)))
	checkCode(t, checker(t), "token_signature", sign(jwt.SigningMethodRS256, rsaKey(), with(nil)))
}

// A key of one curve verifies no method of another: RFC 7518, section 3.4.
func TestAbuseCurveConfusion(t *testing.T) {
	larger := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	j := checker(t, withPEM(publicPEM(larger, ecKey())))
	checkCode(t, j, "", sign(jwt.SigningMethodES384, larger, with(nil)))
	checkCode(t, j, "", sign(jwt.SigningMethodES256, ecKey(), with(nil)))
	small := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	o := options()
	withPEM(publicPEM(small))(&o)
	if _, err := auth.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "of this curve") {
		t.Errorf("New with a key of P-224: %v", err)
	}
}

func TestAbuseKeyInTheToken(t *testing.T) {
	j := checker(t, withPEM(publicPEM(rsaKey())))
	jwk := base64.RawURLEncoding.EncodeToString(otherRSA().N.Bytes())
	checkCode(t, j, "token_signature", sign(jwt.SigningMethodRS256, otherRSA(), with(nil), "jwk", jwk, "jku", "http://127.0.0.1/", "kid", "../../dev/null"))
}

func TestAbuseChangedToken(t *testing.T) {
	j := checker(t)
	good := token(nil)
	parts := strings.Split(good, ".")
	admin := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin"}`))
	checkCode(t, j, "token_signature", parts[0]+"."+admin+"."+parts[2])
	checkCode(t, j, "token_signature", parts[0]+"."+parts[1]+".")
	checkCode(t, j, "token_signature", sign(jwt.SigningMethodHS256, append(secret, '!'), with(jwt.MapClaims{"exp": 1})))
	for _, broken := range []string{"", ".", "..", "...", "a.b", good + ".x", good + "=", "Bearer " + good, " " + good, parts[0] + "." + parts[1]} {
		checkCode(t, j, "token_malformed", broken)
	}
}

// A client with a forged token must not learn which claims would be valid.
func TestAbuseForgedTokensRevealNothing(t *testing.T) {
	forged := []byte("this secret is not the right one!")
	for _, claims := range []jwt.MapClaims{{"iss": "x"}, {"aud": "x"}, {"exp": 1}, {"exp": nil}, {"sub": nil}, nil} {
		checkCode(t, checker(t), "token_signature", sign(jwt.SigningMethodHS256, forged, with(claims)))
	}
}

func TestPinnedMethods(t *testing.T) {
	j := checker(t, withPEM(publicPEM(rsaKey())), func(o *auth.Options) { o.Methods = []string{"RS512"} })
	checkCode(t, j, "", sign(jwt.SigningMethodRS512, rsaKey(), with(nil)))
	checkCode(t, j, "token_signature", sign(jwt.SigningMethodRS256, rsaKey(), with(nil)))
}

func TestInvalidOptions(t *testing.T) {
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(ecKey()))})
	for text, change := range map[string]func(*auth.Options){
		"an issuer and an audience are required": func(o *auth.Options) { o.Audience = "" },
		"an issuer and an audience are":          func(o *auth.Options) { o.Issuer = "" },
		"the leeway must not be negative":        func(o *auth.Options) { o.Leeway = -1 },
		"give one of a secret, public keys":      func(o *auth.Options) { o.Secret = nil },
		"give one of a secret":                   func(o *auth.Options) { o.JWKS = "https://a.example/" },
		"the secret has 6 bytes":                 func(o *auth.Options) { o.Secret = []byte("secret") },
		`the method "none" does not fit`:         func(o *auth.Options) { o.Methods = []string{"none"} },
		`the method "RS256" does not fit`:        func(o *auth.Options) { o.Methods = []string{"HS256", "RS256"} },
		"there is no block in it":                withPEM([]byte("no PEM")),
		"give the public key":                    withPEM(private),
		"read PEM block 2":                       withPEM(append(publicPEM(ecKey()), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"...)),
		"an RSA key of 1024 bits is too short":   withPEM(publicPEM(crypto.Signer(smallRSA()))),
		"is not https":                           func(o *auth.Options) { o.Secret, o.JWKS = nil, "http://issuer.example/jwks" },
		"is no URL such as":                      func(o *auth.Options) { o.Secret, o.JWKS = nil, "jwks.json" },
	} {
		o := options()
		change(&o)
		if _, err := auth.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("New: %v, want %q", err, text)
		}
	}
}

func FuzzVerify(f *testing.F) {
	good := token(nil)
	f.Add(good)
	f.Add(token(jwt.MapClaims{"exp": 1e300, "roles": []any{"a", nil}}))
	f.Add(sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, with(nil)))
	f.Add("a.b.c")
	j := checker(f)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := j.Verify(t.Context(), text)
		if err == nil && text != good {
			t.Errorf("Verify(%q) = %+v, want an error", text, id)
		}
		if err != nil {
			codeOf(t, err)
		}
	})
}

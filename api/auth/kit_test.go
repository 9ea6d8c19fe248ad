package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/pgherald/pgherald/api/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer   = "https://issuer.example/"
	audience = "pgherald"
	leeway   = 10 * time.Second
)

var (
	now    = time.Unix(1764000000, 0)
	secret = []byte("a secret of thirty-two bytes, see")
)

// Keys are generated once because RSA is slow.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	smallRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey    = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func publicPEM(keys ...crypto.Signer) []byte {
	var text []byte
	for _, key := range keys {
		der := must(x509.MarshalPKIXPublicKey(key.Public()))
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	return text
}

func options() auth.Options {
	return auth.Options{
		Secret: secret, Issuer: issuer, Audience: audience, Leeway: leeway,
		Now: func() time.Time { return now },
	}
}

// checker returns a JWT with the usual options and the changes.
func checker(t testing.TB, change ...func(*auth.Options)) *auth.JWT {
	t.Helper()
	o := options()
	for _, c := range change {
		c(&o)
	}
	j, err := auth.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func withPEM(text []byte) func(*auth.Options) {
	return func(o *auth.Options) { o.Secret, o.PEM = nil, text }
}

// with returns valid claims and more; nil removes a claim.
func with(more jwt.MapClaims) jwt.MapClaims {
	claims := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "alice", "exp": now.Add(time.Hour).Unix()}
	maps.Copy(claims, more)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// sign takes header fields as names and values in turns.
func sign(method jwt.SigningMethod, key any, claims jwt.Claims, header ...string) string {
	token := jwt.NewWithClaims(method, claims)
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i]] = header[i+1]
	}
	return must(token.SignedString(key))
}

// token returns a token signed with the secret; see with.
func token(more jwt.MapClaims) string { return sign(jwt.SigningMethodHS256, secret, with(more)) }

// codeOf returns the code of an error, and "" for nil.
func codeOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var rejected *auth.Error
	if !errors.As(err, &rejected) {
		t.Fatalf("error %v is not an *auth.Error", err)
	}
	if rejected.Status/100 == 2 || rejected.Detail == "" {
		t.Errorf("error %+v lacks a detail or has a status of success", rejected)
	}
	return rejected.Code
}

// checkCode verifies the token, and checks the code of the error ("" for none), and that the error
// contains no part of the token.
func checkCode(t *testing.T, j *auth.JWT, code, token string) {
	t.Helper()
	id, err := j.Verify(t.Context(), token)
	if got := codeOf(t, err); got != code {
		t.Errorf("Verify: code %q, want %q: %v", got, code, err)
	}
	if err == nil {
		return
	}
	if id.User != "" || id.Roles != nil || id.Grants != nil {
		t.Errorf("Verify returns an identity with an error: %+v", id)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 5 && strings.Contains(err.Error(), part) {
			t.Errorf("the error contains a part of the token: %v", err)
		}
	}
}

func request(method, target string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

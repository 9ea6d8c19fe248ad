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

// keys are made once: RSA takes its time.
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

// checker is one with the options that are usual, less what change changes.
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

// good are claims that hold; with adds to them, and nil takes one away.
func with(more jwt.MapClaims) jwt.MapClaims {
	claims := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "alice", "exp": now.Add(time.Hour).Unix()}
	maps.Copy(claims, more)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func sign(method jwt.SigningMethod, key any, claims jwt.Claims, header ...string) string {
	token := jwt.NewWithClaims(method, claims)
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i]] = header[i+1]
	}
	return must(token.SignedString(key))
}

// token is one that is signed with the secret.
func token(more jwt.MapClaims) string { return sign(jwt.SigningMethodHS256, secret, with(more)) }

// codeOf is the code of an error, and "" for none.
func codeOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var refused *auth.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error %v is none of ours", err)
	}
	if refused.Status/100 == 2 || refused.Detail == "" {
		t.Errorf("error %+v", refused)
	}
	return refused.Code
}

// refuses fails unless the token is refused with the code, in words without a part of it.
func refuses(t *testing.T, j *auth.JWT, code, token string) {
	t.Helper()
	id, err := j.Verify(t.Context(), token)
	if got := codeOf(t, err); got != code {
		t.Errorf("code %q, want %q: %v", got, code, err)
	}
	if err == nil {
		return
	}
	if id.User != "" || id.Roles != nil || id.Grants != nil {
		t.Errorf("an identity beside an error: %+v", id)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 5 && strings.Contains(err.Error(), part) {
			t.Errorf("the error repeats the token: %v", err)
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

package auth_test

import (
	"context"
	"crypto"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/api/auth"
)

// publisher serves a key set and counts the requests. It also is the clock of its checkers.
type publisher struct {
	*httptest.Server
	mu       sync.Mutex
	body     string // empty is an internal error
	requests int
	clock    time.Time
}

func publish(t *testing.T, body string) *publisher {
	p := &publisher{body: body, clock: now}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests++
		if p.body == "" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(p.body))
	}))
	t.Cleanup(p.Close)
	return p
}

// set changes the key set and advances the clock.
func (p *publisher) set(body string, later time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body, p.clock = body, p.clock.Add(later)
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

func (p *publisher) options() auth.Options {
	o := options()
	o.Secret, o.JWKS, o.Client = nil, p.URL, p.Client()
	o.Now = func() time.Time { p.mu.Lock(); defer p.mu.Unlock(); return p.clock }
	return o
}

func (p *publisher) checker(t *testing.T) *auth.JWT {
	t.Helper()
	j, err := auth.New(t.Context(), p.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Client().CloseIdleConnections)
	return j
}

// keySet returns a JWKS of public keys by their ids, and of more members in JSON.
func keySet(keys map[string]crypto.Signer, more ...string) string {
	var list []json.RawMessage
	for kid, key := range keys {
		jwk := must(jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}}))
		list = append(list, must(json.Marshal(jwk.Marshal())))
	}
	for _, m := range more {
		list = append(list, json.RawMessage(m))
	}
	return string(must(json.Marshal(map[string]any{"keys": list})))
}

func TestKeySetVerifiesTokens(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"r": rsaKey(), "e": ecKey(), "d": edKey()},
		`{"kty":"oct","kid":"s","k":"c2VjcmV0"}`, `{"kty":"new","kid":"n"}`, `7`))
	j := p.checker(t)
	checkCode(t, j, "", sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "r"))
	checkCode(t, j, "", sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "e"))
	checkCode(t, j, "", sign(jwt.SigningMethodEdDSA, edKey(), with(nil), "kid", "d"))
	checkCode(t, j, "", sign(jwt.SigningMethodEdDSA, edKey(), with(nil))) // without a key id, each key is tried
	checkCode(t, j, "token_signature", sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "e"))
	checkCode(t, j, "token_signature", sign(jwt.SigningMethodHS256, []byte("secret"), with(nil), "kid", "s"))
	checkCode(t, j, "token_signature", sign(jwt.SigningMethodHS256, publicPEM(rsaKey()), with(nil), "kid", "r"))
	checkCode(t, j, "token_signature", sign(jwt.SigningMethodRS256, otherRSA(), with(nil)))
	if p.count() != 1 {
		t.Errorf("the server fetched the keys %d times, want 1", p.count())
	}
}

func TestKeysRotate(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"old": rsaKey()}))
	j := p.checker(t)
	before, after := sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "old"), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "new")
	checkCode(t, j, "", before)
	p.set(keySet(map[string]crypto.Signer{"new": ecKey()}), time.Minute)
	checkCode(t, j, "", after)
	checkCode(t, j, "token_signature", before) // its key was withdrawn
}

// A client that invents key ids must not cause a fetch for each.
func TestAbuseUnknownKeysShareOneFetch(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"k": rsaKey()}))
	j := p.checker(t)
	p.set(p.body, time.Minute)
	var clients sync.WaitGroup
	for i := range 50 {
		clients.Go(func() {
			_, err := j.Verify(t.Context(), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", string(rune('A'+i))))
			if codeOf(t, err) != "token_signature" {
				t.Errorf("Verify: %v, want code token_signature", err)
			}
		})
	}
	clients.Wait()
	if p.count() != 2 {
		t.Errorf("the server fetched the keys %d times, want 2: at start, and once for all unknown keys", p.count())
	}
}

func TestOldKeysStayValidWhileTheKeySetIsUnavailable(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"k": rsaKey()}))
	j := p.checker(t)
	known, fresh := sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "k"), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "new")
	p.set("", time.Minute)
	checkCode(t, j, "keys_unavailable", fresh) // its key may be new
	checkCode(t, j, "", known)
	p.set(keySet(map[string]crypto.Signer{"new": ecKey()}), time.Minute)
	checkCode(t, j, "", fresh)
}

func TestUnusableKeySets(t *testing.T) {
	encryption := must(jwkset.NewJWKFromKey(rsaKey().Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "x", USE: jwkset.UseEnc}}))
	for body, text := range map[string]string{
		"":              "500 Internal Server Error",
		"<html>":        "read JWKS: ",
		`{}`:            "none of its 0 keys",
		`{"keys":[{}]}`: "none of its 1 keys",
		keySet(nil, string(must(json.Marshal(encryption.Marshal())))): "none of its 1 keys",
		keySet(map[string]crypto.Signer{"small": smallRSA()}):         "none of its 1 keys",
		strings.Repeat(" ", 1<<20+1):                                  "larger than",
	} {
		p := publish(t, body)
		if _, err := auth.New(t.Context(), p.options()); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("New with key set %.40s: %v, want %q", body, err, text)
		}
		p.Client().CloseIdleConnections()
	}
}

// A redirect must not lead to a URL whose answers can be replaced on the network.
func TestAbuseKeySetRedirectsToHTTP(t *testing.T) {
	from := httptest.NewServer(http.RedirectHandler("http://192.0.2.1/jwks", http.StatusFound))
	defer from.Close()
	o := options()
	o.Secret, o.JWKS = nil, from.URL
	if _, err := auth.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is not https") {
		t.Errorf("New: %v, want an error that the URL is not https", err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestRunReturnsWhenItsContextEnds(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"k": rsaKey()}))
	j := p.checker(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); j.Run(ctx) }()
	cancel()
	<-done
	checker(t).Run(ctx) // fixed keys need no updates
}

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

// publisher publishes keys, and counts who asks.
type publisher struct {
	*httptest.Server
	mu    sync.Mutex
	body  string
	asked int
	clock time.Time
}

func publish(t *testing.T, body string) *publisher {
	p := &publisher{body: body, clock: now}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		if p.body == "" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(p.body))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) set(body string, later time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body, p.clock = body, p.clock.Add(later)
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
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

// keySet is a JWKS of public keys, by their ids.
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

func TestKeysFromAURL(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"r": rsaKey(), "e": ecKey(), "d": edKey()},
		`{"kty":"oct","kid":"s","k":"c2VjcmV0"}`, `{"kty":"new","kid":"n"}`, `7`))
	j := p.checker(t)
	refuses(t, j, "", sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "r"))
	refuses(t, j, "", sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "e"))
	refuses(t, j, "", sign(jwt.SigningMethodEdDSA, edKey(), with(nil), "kid", "d"))
	refuses(t, j, "", sign(jwt.SigningMethodEdDSA, edKey(), with(nil))) // names none: each is tried
	refuses(t, j, "token_signature", sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "e"))
	refuses(t, j, "token_signature", sign(jwt.SigningMethodHS256, []byte("secret"), with(nil), "kid", "s"))
	refuses(t, j, "token_signature", sign(jwt.SigningMethodHS256, publicPEM(rsaKey()), with(nil), "kid", "r"))
	refuses(t, j, "token_signature", sign(jwt.SigningMethodRS256, otherRSA(), with(nil)))
	if p.count() != 1 {
		t.Errorf("fetched %d times", p.count())
	}
}

func TestKeysRotate(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"old": rsaKey()}))
	j := p.checker(t)
	before, after := sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "old"), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "new")
	refuses(t, j, "", before)
	p.set(keySet(map[string]crypto.Signer{"new": ecKey()}), time.Minute)
	refuses(t, j, "", after)
	refuses(t, j, "token_signature", before) // withdrawn
}

// Whoever makes up names of keys cannot make us ask for each.
func TestAbuseUnknownKeysAreNotAskedForAgainAndAgain(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"k": rsaKey()}))
	j := p.checker(t)
	p.set(p.body, time.Minute)
	var crowd sync.WaitGroup
	for i := range 50 {
		crowd.Go(func() {
			_, err := j.Verify(t.Context(), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", string(rune('A'+i))))
			if codeOf(t, err) != "token_signature" {
				t.Errorf("error %v", err)
			}
		})
	}
	crowd.Wait()
	if p.count() != 2 {
		t.Errorf("fetched %d times: at first, and once for all of them", p.count())
	}
}

func TestKeysThatCannotBeFetched(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"k": rsaKey()}))
	j := p.checker(t)
	known, fresh := sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "k"), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "new")
	p.set("", time.Minute)
	refuses(t, j, "keys_unavailable", fresh) // it may be good
	refuses(t, j, "", known)
	p.set(keySet(map[string]crypto.Signer{"new": ecKey()}), time.Minute)
	refuses(t, j, "", fresh)
}

func TestKeysThatAreNone(t *testing.T) {
	encryption := must(jwkset.NewJWKFromKey(rsaKey().Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "x", USE: jwkset.UseEnc}}))
	for body, text := range map[string]string{
		"":              "500 Internal Server Error",
		"<html>":        "read JWKS: ",
		`{}`:            "of its 0 keys none",
		`{"keys":[{}]}`: "of its 1 keys none",
		keySet(nil, string(must(json.Marshal(encryption.Marshal())))): "of its 1 keys none",
		keySet(map[string]crypto.Signer{"small": smallRSA()}):         "of its 1 keys none",
		strings.Repeat(" ", 1<<20+1):                                  "larger than",
	} {
		p := publish(t, body)
		if _, err := auth.New(t.Context(), p.options()); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%.40s: error %v, want %q", body, err, text)
		}
		p.Client().CloseIdleConnections()
	}
}

// A redirect must not lead to where anybody on the way can put in keys.
func TestAbuseRedirectOfKeys(t *testing.T) {
	from := httptest.NewServer(http.RedirectHandler("http://192.0.2.1/jwks", http.StatusFound))
	defer from.Close()
	o := options()
	o.Secret, o.JWKS = nil, from.URL
	if _, err := auth.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is not https") {
		t.Errorf("error %v", err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestRunEnds(t *testing.T) {
	p := publish(t, keySet(map[string]crypto.Signer{"k": rsaKey()}))
	j := p.checker(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); j.Run(ctx) }()
	cancel()
	<-done
	checker(t).Run(ctx) // has nothing to do
}

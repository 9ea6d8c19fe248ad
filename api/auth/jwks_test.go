package auth_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/api/auth"
)

// publisher serves a key set and counts the requests. It is a transport without a network, so that a test
// can run it in a bubble of testing/synctest.
type publisher struct {
	mu       sync.Mutex
	body     string // empty is an internal error
	requests int
	hang     chan struct{} // if not nil, a request waits until it is closed
}

func publish(body string) *publisher { return &publisher{body: body} }

// RoundTrip answers with the key set that the publisher has when it sends the response.
func (p *publisher) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.requests++
	hang := p.hang
	p.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := httptest.NewRecorder()
	if p.body == "" {
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = w.WriteString(p.body)
	return w.Result(), nil
}

// set changes the key set.
func (p *publisher) set(body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body = body
}

// setHang makes the later requests wait until the channel is closed.
func (p *publisher) setHang(hang chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hang = hang
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

func (p *publisher) options() auth.Options {
	o := options()
	o.Secret, o.JWKS, o.Client, o.Now = nil, "https://issuer.example/jwks", &http.Client{Transport: p}, time.Now
	return o
}

// checker returns a JWT that runs until the end of the test's bubble.
func (p *publisher) checker(t *testing.T) *auth.JWT {
	t.Helper()
	j, err := auth.New(t.Context(), p.options())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { j.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	synctest.Wait()
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

func TestKeySetVerifiesTokens(t *testing.T) { synctest.Test(t, testKeySetVerifiesTokens) }

func testKeySetVerifiesTokens(t *testing.T) {
	p := publish(keySet(map[string]crypto.Signer{"r": rsaKey(), "e": ecKey(), "d": edKey()},
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

func TestKeysRotate(t *testing.T) { synctest.Test(t, testKeysRotate) }

func testKeysRotate(t *testing.T) {
	p := publish(keySet(map[string]crypto.Signer{"old": rsaKey()}))
	j := p.checker(t)
	before, after := sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "old"), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "new")
	checkCode(t, j, "", before)
	p.set(keySet(map[string]crypto.Signer{"new": ecKey()}))
	time.Sleep(time.Minute)
	checkCode(t, j, "", after)
	time.Sleep(time.Minute)
	checkCode(t, j, "token_signature", before) // its key was withdrawn
}

// A client that invents key ids must not cause a fetch for each.
func TestAbuseUnknownKeysShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish(keySet(map[string]crypto.Signer{"k": rsaKey()}))
		j := p.checker(t)
		time.Sleep(time.Minute)
		var clients sync.WaitGroup
		var rejected atomic.Int32
		for i := range 50 {
			clients.Go(func() {
				_, err := j.Verify(t.Context(), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "invented"+strconv.Itoa(i)))
				switch code := codeOf(t, err); code {
				case "token_signature":
					rejected.Add(1)
				case "keys_unavailable": // the fetch had begun
				default:
					t.Errorf("Verify: %v, want code token_signature or keys_unavailable", err)
				}
			})
		}
		clients.Wait()
		if p.count() != 2 || rejected.Load() == 0 {
			t.Errorf("the server fetched the keys %d times and rejected %d tokens, want 2 (at start, and once for all unknown keys) and some",
				p.count(), rejected.Load())
		}
	})
}

// A token with an invented key id causes a fetch. A key that is published right after that fetch is valid
// at the next one, and until then its tokens are not rejected, whatever key id was invented.
func TestAbuseInventedKeyBeforeARotation(t *testing.T) {
	for _, invented := range []string{"x", "new"} {
		synctest.Test(t, func(t *testing.T) {
			p := publish(keySet(map[string]crypto.Signer{"old": rsaKey()}))
			j := p.checker(t)
			time.Sleep(time.Minute)
			checkCode(t, j, "token_signature", sign(jwt.SigningMethodRS256, otherRSA(), with(nil), "kid", invented))
			p.set(keySet(map[string]crypto.Signer{"new": ecKey()}))
			fresh := sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "new")
			checkUndecided(t, j, fresh, 10*time.Second)
			time.Sleep(9 * time.Second)
			checkUndecided(t, j, fresh, time.Second)
			time.Sleep(time.Second)
			synctest.Wait()
			if p.count() != 3 {
				t.Errorf("the server fetched the keys %d times, want 3: the last without another request", p.count())
			}
			checkCode(t, j, "", fresh)
		})
	}
}

// A token whose key was undecided is rejected by the next fetch, even if its client does not wait for it.
func TestUndecidedTokensAreDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish(keySet(map[string]crypto.Signer{"k": rsaKey()}))
		j := p.checker(t)
		unknown := sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "gone")
		checkUndecided(t, j, unknown, 10*time.Second)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		checkCode(t, j, "token_signature", unknown)
		if p.count() != 2 {
			t.Errorf("the server fetched the keys %d times, want 2", p.count())
		}
	})
}

// checkUndecided checks that the server asks for the token again after a time.
func checkUndecided(t *testing.T, j *auth.JWT, token string, after time.Duration) {
	t.Helper()
	_, err := j.Verify(t.Context(), token)
	var rejected *auth.Error
	if codeOf(t, err) != "keys_unavailable" || !errors.As(err, &rejected) || rejected.Status != http.StatusServiceUnavailable || rejected.RetryAfter != after {
		t.Errorf("Verify: %+v, want keys_unavailable with a retry after %v", err, after)
	}
}

// While the URL does not answer, tokens with known keys are valid, and those with unknown keys do not wait
// for each other.
func TestAbuseHungKeySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish(keySet(map[string]crypto.Signer{"k": rsaKey()}))
		j := p.checker(t)
		time.Sleep(time.Minute)
		p.setHang(make(chan struct{}))
		began := time.Now()
		var clients sync.WaitGroup
		for i := range 200 {
			clients.Go(func() {
				_, err := j.Verify(t.Context(), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "invented"+strconv.Itoa(i)))
				if code := codeOf(t, err); code != "keys_unavailable" {
					t.Errorf("Verify: code %q, want keys_unavailable", code)
				}
			})
		}
		synctest.Wait()
		checkCode(t, j, "", sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "k"))
		clients.Wait()
		if waited := time.Since(began); waited > 2*time.Second {
			t.Errorf("200 requests waited for %v, want at most 2s", waited)
		}
		time.Sleep(time.Hour)
		if n := p.count(); n > 200 {
			t.Errorf("the server fetched the keys %d times", n)
		}
		p.setHang(nil)
		p.set(keySet(map[string]crypto.Signer{"new": ecKey()}))
		time.Sleep(30 * time.Second)
		checkCode(t, j, "", sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "new"))
	})
}

func TestOldKeysStayValidWhileTheKeySetIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish(keySet(map[string]crypto.Signer{"k": rsaKey()}))
		j := p.checker(t)
		known, fresh := sign(jwt.SigningMethodRS256, rsaKey(), with(nil), "kid", "k"), sign(jwt.SigningMethodES256, ecKey(), with(nil), "kid", "new")
		p.set("")
		time.Sleep(time.Minute)
		checkCode(t, j, "keys_unavailable", fresh) // its key may be new
		checkCode(t, j, "", known)
		p.set(keySet(map[string]crypto.Signer{"new": ecKey()}))
		time.Sleep(time.Minute)
		checkCode(t, j, "", fresh)
	})
}

// Keys for other purposes than signatures verify no token, whether the token names them or not.
func TestAbuseKeysForOtherPurposes(t *testing.T) {
	key := func(kid string, signer crypto.Signer, more map[string]any) string {
		jwk := must(jwkset.NewJWKFromKey(signer.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}}))
		members := map[string]any{}
		if err := json.Unmarshal(must(json.Marshal(jwk.Marshal())), &members); err != nil {
			t.Fatal(err)
		}
		maps.Copy(members, more)
		return string(must(json.Marshal(members)))
	}
	for name, c := range map[string]struct {
		jwk   string
		valid bool
	}{
		"for signatures":       {key("x", otherRSA(), map[string]any{"use": "sig", "key_ops": []string{"verify"}, "alg": "RS256"}), true},
		"without a purpose":    {key("x", otherRSA(), nil), true},
		"use enc":              {key("x", otherRSA(), map[string]any{"use": "enc"}), false},
		"use ENC":              {key("x", otherRSA(), map[string]any{"use": "ENC"}), false},
		"empty use":            {key("x", otherRSA(), map[string]any{"use": ""}), false},
		"use is a list":        {key("x", otherRSA(), map[string]any{"use": []string{"sig"}}), false},
		"key_ops encrypt":      {key("x", otherRSA(), map[string]any{"key_ops": []string{"encrypt"}}), false},
		"key_ops sign":         {key("x", otherRSA(), map[string]any{"key_ops": []string{"sign"}}), false},
		"empty key_ops":        {key("x", otherRSA(), map[string]any{"key_ops": []string{}}), false},
		"key_ops wrap, verify": {key("x", otherRSA(), map[string]any{"key_ops": []string{"wrapKey", "verify"}}), true},
		"alg RSA-OAEP":         {key("x", otherRSA(), map[string]any{"alg": "RSA-OAEP"}), false},
		"alg of another RSA":   {key("x", otherRSA(), map[string]any{"alg": "PS256"}), false},
		"two members use":      {strings.Replace(key("x", otherRSA(), map[string]any{"use": "sig"}), "{", `{"use":"enc",`, 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := publish(keySet(map[string]crypto.Signer{"k": rsaKey()}, c.jwk)).checker(t)
				code := "token_signature"
				if c.valid {
					code = ""
				}
				time.Sleep(time.Minute)
				checkCode(t, j, code, sign(jwt.SigningMethodRS256, otherRSA(), with(nil), "kid", "x"))
				checkCode(t, j, code, sign(jwt.SigningMethodRS256, otherRSA(), with(nil)))
			})
		})
	}
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
		p := publish(body)
		if _, err := auth.New(t.Context(), p.options()); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("New with key set %.40s: %v, want %q", body, err, text)
		}
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
	synctest.Test(t, func(t *testing.T) {
		p := publish(keySet(map[string]crypto.Signer{"k": rsaKey()}))
		j := must(auth.New(t.Context(), p.options()))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); j.Run(ctx) }()
		cancel()
		<-done
		checker(t).Run(ctx) // fixed keys need no updates
	})
}

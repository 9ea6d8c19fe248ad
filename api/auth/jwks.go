package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// Limits of fetching a key set.
const (
	fetchTimeout   = 10 * time.Second
	fetchInterval  = 10 * time.Minute // a withdrawn key stays valid for at most this long
	minFetchPeriod = 10 * time.Second // between two fetches, even if tokens name unknown keys
	maxKeySet      = 1 << 20          // bytes
)

// keySet holds the keys of a JWKS. While it cannot fetch the URL, it keeps the keys of the last fetch.
type keySet struct {
	opts   Options
	stored *jwkset.MemoryJWKSet
	lookup keyfunc.Keyfunc

	mu      sync.Mutex // held during a fetch, so that concurrent callers share it
	fetched time.Time  // start of the last fetch
	err     error      // of the last fetch
}

// fetchKeySet fetches a key set for the first time.
func fetchKeySet(ctx context.Context, o Options) (*keySet, error) {
	if err := checkURL(o.JWKS); err != nil {
		return nil, fmt.Errorf("fetch the keys that verify tokens: %w", err)
	}
	s := &keySet{opts: o, stored: jwkset.NewMemoryStorage()}
	var err error
	s.lookup, err = keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: s.stored})
	if err != nil {
		return nil, err
	}
	return s, s.refresh(ctx)
}

// checkURL returns an error for a URL that is not https, except on this host: an attacker on the network
// could replace the keys.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is no URL such as https://issuer.example/.well-known/jwks.json", text)
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme == "https" || u.Scheme == "http" && local {
		return nil
	}
	return fmt.Errorf("%s is not https: give an https URL, so that the keys cannot be replaced on the way", u.Redacted())
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return checkURL(r.URL.String())
}

// run fetches the key set periodically.
func (s *keySet) run(ctx context.Context) {
	ticker := time.NewTicker(fetchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = s.refresh(ctx) // it logs the error; the next tick tries again
		case <-ctx.Done():
			return
		}
	}
}

// refresh fetches the key set unless the last fetch is less than minFetchPeriod ago, and returns the
// error of the last fetch.
func (s *keySet) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	if !s.fetched.IsZero() && now.Sub(s.fetched) < minFetchPeriod {
		return s.err
	}
	s.fetched = now
	// Other requests wait for this fetch, even if the one that started it is canceled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	fetched, err := s.fetch(ctx)
	if err == nil {
		err = s.stored.KeyReplaceAll(ctx, fetched)
	}
	if s.err = err; err != nil {
		s.err = fmt.Errorf("fetch the keys that verify tokens: %w", err)
		s.opts.Logger.Warn("key set not fetched, keeping the previous keys", "error", err)
	}
	return s.err
}

func (s *keySet) fetch(ctx context.Context) ([]jwkset.JWK, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.opts.JWKS, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.opts.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", request.URL.Redacted(), response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("%s is larger than %d bytes", request.URL.Redacted(), maxKeySet)
	}
	return parseKeySet(body)
}

// parseKeySet returns the keys that can verify tokens. It ignores keys for encryption and keys of unknown
// types, as RFC 7517 requires. It also ignores symmetric keys, since a published key is not secret.
func parseKeySet(body []byte) ([]jwkset.JWK, error) {
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &published); err != nil {
		return nil, fmt.Errorf("read JWKS: %w", err)
	}
	var usable []jwkset.JWK
	for _, raw := range published.Keys {
		var m jwkset.JWKMarshal
		if err := json.Unmarshal(raw, &m); err != nil || m.USE != "" && m.USE != jwkset.UseSig {
			continue
		}
		key, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue
		}
		if _, err := methodsFor(key.Key()); err == nil {
			usable = append(usable, key)
		}
	}
	if len(usable) == 0 {
		return nil, fmt.Errorf("read JWKS: none of its %d keys can verify tokens: publish an RSA, ECDSA or Ed25519 key for signatures", len(published.Keys))
	}
	return usable, nil
}

// keysFor returns the key that the token names. If the set lacks the key, it refreshes the set, because
// the issuer may have added the key since the last fetch.
func (s *keySet) keysFor(ctx context.Context, token *jwt.Token) (any, error) {
	key, err := s.lookup.KeyfuncCtx(ctx)(token)
	if !errors.Is(err, jwkset.ErrKeyNotFound) {
		return key, err
	}
	if s.refresh(ctx) != nil {
		return nil, keysUnavailable()
	}
	return s.lookup.KeyfuncCtx(ctx)(token)
}

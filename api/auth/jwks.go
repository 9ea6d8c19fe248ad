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

// Times and bounds of fetching keys.
const (
	fetchTimeout = 10 * time.Second
	fetchEvery   = 10 * time.Minute // so that a key that was withdrawn soon counts no more
	fetchPause   = 10 * time.Second // at least between two, whatever keys tokens name
	maxSet       = 1 << 20          // bytes
)

// set are keys that are published at a URL. When it cannot be fetched, the last ones go on counting.
type set struct {
	opts   Options
	stored *jwkset.MemoryJWKSet
	lookup keyfunc.Keyfunc

	mu      sync.Mutex // held while fetching, so that it is done once for all who wait
	fetched time.Time  // when that was last tried
	err     error      // what came of it
}

// fetchSet fetches the keys for the first time.
func fetchSet(ctx context.Context, o Options) (*set, error) {
	if err := checkURL(o.JWKS); err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	s := &set{opts: o, stored: jwkset.NewMemoryStorage()}
	var err error
	s.lookup, err = keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: s.stored})
	if err != nil {
		return nil, err
	}
	return s, s.refresh(ctx)
}

// checkURL refuses to fetch keys over a network that can change them on the way.
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
	return fmt.Errorf("%s is not https: whoever is on the way could put in keys of their own", u.Redacted())
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return checkURL(r.URL.String())
}

// run fetches again and again.
func (s *set) run(ctx context.Context) {
	ticker := time.NewTicker(fetchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = s.refresh(ctx) // logged; the next try may do better
		case <-ctx.Done():
			return
		}
	}
}

// refresh fetches the keys, unless that was tried just now.
func (s *set) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	if !s.fetched.IsZero() && now.Sub(s.fetched) < fetchPause {
		return s.err
	}
	s.fetched = now
	// Whoever asked may be gone before others have what they wait for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	fetched, err := s.fetch(ctx)
	if err == nil {
		err = s.stored.KeyReplaceAll(ctx, fetched)
	}
	if s.err = err; err != nil {
		s.err = fmt.Errorf("fetch keys: %w", err)
		s.opts.Logger.Warn("keys to check tokens with cannot be fetched: those from before go on counting", "error", err)
	}
	return s.err
}

func (s *set) fetch(ctx context.Context) ([]jwkset.JWK, error) {
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
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxSet {
		return nil, fmt.Errorf("%s is larger than %d bytes", request.URL.Redacted(), maxSet)
	}
	return parseSet(body)
}

// parseSet reads the keys that can check tokens. Others may stand beside them: keys for encryption,
// or of kinds that we do not know. Secrets are passed over: what is published is none.
func parseSet(body []byte) ([]jwkset.JWK, error) {
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
		return nil, fmt.Errorf("read JWKS: of its %d keys none can check tokens: RSA, ECDSA and Ed25519 keys for signatures can", len(published.Keys))
	}
	return usable, nil
}

// keysOf returns the key that the token names. One that is not known may be new.
func (s *set) keysOf(ctx context.Context, token *jwt.Token) (any, error) {
	key, err := s.lookup.KeyfuncCtx(ctx)(token)
	if !errors.Is(err, jwkset.ErrKeyNotFound) {
		return key, err
	}
	if s.refresh(ctx) != nil {
		return nil, noKeys()
	}
	return s.lookup.KeyfuncCtx(ctx)(token)
}

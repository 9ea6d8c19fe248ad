package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/stream/backoff"
)

// Limits of fetching a key set.
const (
	fetchTimeout   = 10 * time.Second
	fetchInterval  = 10 * time.Minute // a withdrawn key stays valid for at most this long
	minFetchPeriod = 10 * time.Second // from the end of a fetch to the next one, even if tokens name unknown keys
	// maxKeyWait is how long a request waits for a fetch that may bring its key, and maxKeyWaits how many
	// requests do: the endpoint may hang.
	maxKeyWait  = 2 * time.Second
	maxKeyWaits = 64
	// maxUndecided bounds the tokens whose keys the next fetch decides about.
	maxUndecided = 4096
	// keepDecided is for how many fetches the server remembers that it has decided about a token.
	keepDecided = 3
)

// keySet holds the keys of a JWKS. While it cannot fetch the URL, it keeps the keys of the last fetch.
//
// A token names its key. If the set lacks the key, the token may be invalid, or its key may be newer than
// the last fetch. A fetch decides that if it began after the token was first seen; until then the answer is
// that the keys are unavailable. So a token with an invented key cannot make the server reject another
// token, whose key was published a moment after the fetch that the first one caused.
//
// Only run fetches, one fetch at a time. Requests do not wait for each other, and for a fetch they wait
// maxKeyWait at most.
type keySet struct {
	opts   Options
	retry  *backoff.Retry // for its lines: fetches are minFetchPeriod apart
	wanted chan struct{}  // has a value when a token names an unknown key

	mu        sync.Mutex // guards the fields below
	keys      []verificationKey
	begun     int           // number of fetches that have begun
	succeeded int           // number of the fetch that brought the keys
	ended     time.Time     // end of the last fetch
	fetching  bool          // a fetch is under way
	fetched   chan struct{} // closed at the end of the next fetch
	waits     int           // requests that wait for a fetch
	// undecided holds, by the hash of a token, how many fetches had begun when it was first seen.
	undecided map[[sha256.Size]byte]int
}

// fetchKeySet fetches a key set for the first time.
func fetchKeySet(ctx context.Context, o Options) (*keySet, error) {
	if err := checkURL(o.JWKS); err != nil {
		return nil, fmt.Errorf("fetch the keys that verify tokens: %w", err)
	}
	s := &keySet{
		opts: o, retry: backoff.New(backoff.Options{
			Min: minFetchPeriod, Max: minFetchPeriod, Level: slog.LevelWarn, Logger: o.Logger,
			Failing: "key set not fetched, keeping the previous keys", Recovered: "key set fetched again",
		}),
		wanted: make(chan struct{}, 1), fetched: make(chan struct{}), undecided: make(map[[sha256.Size]byte]int),
	}
	return s, s.fetch(ctx)
}

// run fetches the key set periodically, and when a token names an unknown key.
func (s *keySet) run(ctx context.Context) {
	ticker := time.NewTicker(fetchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.wanted:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		wait := s.untilFetch()
		s.mu.Unlock()
		if backoff.Sleep(ctx, wait) != nil {
			return
		}
		_ = s.fetch(ctx) // it logs the error; the next token or tick tries again
	}
}

// untilFetch returns the time until the next fetch may begin. The caller holds mu.
func (s *keySet) untilFetch() time.Duration {
	return max(0, s.ended.Add(minFetchPeriod).Sub(s.opts.Now()))
}

// fetch replaces the keys by those of the URL.
func (s *keySet) fetch(ctx context.Context) error {
	s.mu.Lock()
	s.begun++
	s.fetching = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	keys, err := fetchJWKS(ctx, s.opts.Client, s.opts.JWKS)
	if err != nil {
		err = fmt.Errorf("fetch the keys that verify tokens: %w", err)
	}
	s.retry.Done(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.keys, s.succeeded = keys, s.begun
	}
	s.ended, s.fetching = s.opts.Now(), false
	for token, seen := range s.undecided {
		if s.succeeded-seen > keepDecided {
			delete(s.undecided, token)
		}
	}
	close(s.fetched)
	s.fetched = make(chan struct{})
	return err
}

// keysFor returns the keys that may have signed the token: those with the id that it names, or all.
func (s *keySet) keysFor(ctx context.Context, token *jwt.Token) (any, error) {
	id, ok := token.Header["kid"].(string)
	keys, known := s.find(id, ok)
	if !known {
		if err := s.await(ctx, token.Raw); err != nil {
			return nil, err
		}
		if keys, known = s.find(id, ok); !known {
			return nil, s.decide(token.Raw)
		}
	}
	return verifiers(keys, token.Method.Alg()), nil
}

// find returns the keys with an id, or all if named is false. It returns false if there is none.
func (s *keySet) find(id string, named bool) ([]verificationKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !named {
		return s.keys, true
	}
	keys := slices.DeleteFunc(slices.Clone(s.keys), func(k verificationKey) bool { return k.id != id })
	return keys, len(keys) > 0
}

// await records that a token names an unknown key. If a fetch may begin or is under way, await waits for
// its end. It returns an error if the request should try again later.
func (s *keySet) await(ctx context.Context, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeUndecided(token)
	wait := s.untilFetch()
	if !s.fetching && wait > 0 {
		return nil
	}
	if s.waits == maxKeyWaits {
		return keysUnavailable(minFetchPeriod)
	}
	fetched := s.fetched
	s.waits++
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, maxKeyWait)
	defer cancel()
	select {
	case <-fetched:
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.waits--
	return nil
}

// seeUndecided remembers when the token was first seen, and asks for a fetch. The caller holds mu.
func (s *keySet) seeUndecided(token string) {
	hash := sha256.Sum256([]byte(token))
	if _, ok := s.undecided[hash]; !ok && len(s.undecided) < maxUndecided {
		s.undecided[hash] = s.begun
	}
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

// decide returns the error for a token whose key is not in the set.
func (s *keySet) decide(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, ok := s.undecided[sha256.Sum256([]byte(token))]
	if ok && s.succeeded > seen {
		return badSignature()
	}
	return keysUnavailable(max(s.untilFetch(), time.Second))
}

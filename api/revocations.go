package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream/backoff"
)

// Times of the reads of the revocations.
const (
	// revocationInterval is the time between two reads without a notification. A revocation whose notification was lost is
	// in effect after it.
	revocationInterval = 500 * time.Millisecond
	// minRevocationInterval is the shortest time between two reads: every role of the database may send notifications.
	minRevocationInterval = 20 * time.Millisecond
	// fullRevocationInterval is the time between two reads of all revocations, which notice the rows that were deleted.
	fullRevocationInterval = time.Minute
	// maxRevocationPause bounds the pause after a read that failed: after an outage, a revocation is in effect within it.
	maxRevocationPause = time.Second
	revocationTimeout  = 5 * time.Second
	maxTokenID         = 255 // characters
)

// revocations keeps a set of revocations equal to the store, and ends the streams of revoked tokens.
type revocations struct {
	store   auth.RevocationStore // nil: no token can be revoked
	set     *auth.Revocations
	changed chan struct{} // signalled by a notification
	retry   *backoff.Retry
	end     func() // ends the streams of the tokens in the set
	// disconnect ends the streams of the tokens that match, and returns how many they were. disconnects counts that; nil
	// if operators cannot disconnect.
	disconnect  func(matches func(auth.Identity) bool) (ended int)
	disconnects auth.DisconnectStore
	logger      *slog.Logger

	mu     sync.Mutex // held during a read
	since  uint64     // for the next read; 0 reads all
	fullAt time.Time  // of the last read of all
	// applied holds the disconnects that this server has read: a read may return one again.
	applied map[int64]struct{}
}

func newRevocations(store auth.RevocationStore, end func(), logger *slog.Logger) *revocations {
	return &revocations{
		store: store, set: auth.NewRevocations(), changed: make(chan struct{}, 1), end: end, logger: logger,
		retry: backoff.New(backoff.Options{
			Min: revocationInterval, Max: maxRevocationPause, Level: slog.LevelWarn, Logger: logger,
			Failing: "revocations not read, retrying", Recovered: "revocations read again",
		}),
	}
}

// check returns an error if the token of an identity was revoked.
func (v *revocations) check(id auth.Identity) error {
	if v.store == nil {
		return nil
	}
	return v.set.Check(id)
}

// isRevoked reports whether the token of an identity was revoked.
func (v *revocations) isRevoked(id auth.Identity) bool { return v.set.Contains(id) }

// isBarred reports whether the token of an identity was revoked, or is barred.
func (v *revocations) isBarred(id auth.Identity) bool { return v.set.Bars(id) }

// RevocationsChanged tells the API that there are new revocations in the store. It does not block.
func (a *API) RevocationsChanged() {
	select {
	case a.revocations.changed <- struct{}{}:
	default:
	}
}

// ReadRevocations reads the new revocations and ends the streams of their tokens. Until the first read, the API refuses
// every token; Run calls it, too.
func (a *API) ReadRevocations(ctx context.Context) error { return a.revocations.read(ctx) }

func (v *revocations) read(ctx context.Context) error {
	if v.store == nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, revocationTimeout)
	defer cancel()
	now := time.Now()
	if now.Sub(v.fullAt) >= fullRevocationInterval {
		v.since = 0
	}
	list, disconnects, next, err := v.store.Read(ctx, v.since)
	if err == nil && next < v.since { // the database was replaced by an earlier state or another one
		v.since, v.applied = 0, nil
		list, disconnects, next, err = v.store.Read(ctx, 0)
	}
	if err != nil {
		return err
	}
	if v.since == 0 {
		v.set.Replace(list, disconnects)
		v.fullAt = now
	} else {
		v.set.Add(list, disconnects)
	}
	v.apply(ctx, disconnects, v.since == 0)
	v.since = next
	if len(list) > 0 {
		v.end()
	}
	return nil
}

// runRevocations reads the revocations until ctx ends, and prunes them after each read of all.
func (a *API) runRevocations(ctx context.Context) {
	v := a.revocations
	if v.store == nil {
		return
	}
	for prunedAt := (time.Time{}); ; {
		err := v.read(ctx)
		if fullAt := v.lastFull(); err == nil && fullAt.After(prunedAt) {
			prunedAt = fullAt
			err = v.store.Prune(ctx)
		}
		if ctx.Err() == nil {
			v.retry.Done(err)
		}
		if !v.wait(ctx) {
			return
		}
	}
}

// lastFull returns the time of the last read of all, which may be one of a request.
func (v *revocations) lastFull() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fullAt
}

// wait waits until the next read is due: after a failure for the pause, however many notifications arrive. It returns
// false if ctx ends first.
func (v *revocations) wait(ctx context.Context) bool {
	if v.retry.Wait(ctx) != nil || backoff.Sleep(ctx, minRevocationInterval) != nil {
		return false
	}
	return backoff.SleepUntil(ctx, revocationInterval-minRevocationInterval, v.changed) == nil
}

// revoke serves POST /api/revocations. When it answers, the revocation is in effect at this server.
func (a *API) revoke(w http.ResponseWriter, r *http.Request, _ auth.Identity) {
	if err := a.storeRevocation(w, r); err != nil {
		problem.Fail(a.config.Logger, w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *API) storeRevocation(w http.ResponseWriter, r *http.Request) error {
	revocation, expires, err := decodeRevocation(w, r, a.config.MaxBody)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	if err := a.revocations.store.Revoke(ctx, revocation, expires); err != nil {
		return describeInvalidRevocation(err)
	}
	return a.revocations.read(ctx)
}

// describeInvalidRevocation turns an error of pgherald.revoke about an argument into a problem, as describeInvalidEvent does,
// with the name of the member in the body.
func describeInvalidRevocation(err error) error {
	err = describeInvalidEvent(err)
	var p *problem.Problem
	if errors.As(err, &p) && len(p.Errors) == 1 {
		switch p.Errors[0].Field {
		case "user_id":
			p.Errors[0].Field = "user"
		case "issued_before":
			p.Errors[0].Field = "issuedBefore"
		}
	}
	return err
}

func decodeRevocation(w http.ResponseWriter, r *http.Request, maxBody int64) (v auth.Revocation, expires time.Time, err error) {
	var jti, user, before, end *string
	err = request.Decode(w, r, maxBody, []request.Member{
		{Name: "jti", Text: &jti, Length: maxTokenID},
		{Name: "user", Text: &user, Length: maxTokenID},
		request.Label("issuedBefore", &before),
		request.Label("expires", &end),
	})
	if err != nil {
		return v, expires, err
	}
	if v.IssuedBefore, err = parseTime("issuedBefore", before); err != nil {
		return v, expires, err
	}
	if expires, err = parseTime("expires", end); err != nil {
		return v, expires, err
	}
	if jti != nil {
		v.TokenID = *jti
	}
	if user != nil {
		v.User = *user
	}
	return v, expires, nil
}

// parseTime parses a member with a time. It returns the zero time for nil.
func parseTime(field string, text *string) (time.Time, error) {
	if text == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		return t, problem.InvalidFields(problem.FieldError{Field: field, Detail: "must be a time such as 2026-01-02T03:04:05Z"})
	}
	if t.Unix() < 0 { // no token is older, and the zero time means that none was given
		return t, problem.InvalidFields(problem.FieldError{Field: field, Detail: "must be a time of 1970 or later"})
	}
	return t, nil
}

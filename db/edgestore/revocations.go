package edgestore

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/rediscall"
	"github.com/pgherald/pgherald/stream/identity"
)

// Revocations reads the revocations that the relay copies from the database. Edges store none. It is safe for concurrent use.
type Revocations struct {
	store *Store

	mu       sync.Mutex
	newest   uint64    // the number of the newest state that was read
	olderFor time.Time // since when the store has had an older one; zero if it has none
}

// NewRevocations returns the revocations of the store.
func NewRevocations(store *Store) *Revocations { return &Revocations{store: store} }

// MaxAge is how old the revocations may be for an edge that starts: the relay confirms them every few seconds.
const MaxAge = 30 * time.Second

// errReadOnly is the error of Revoke.
var errReadOnly = errors.New("revoke tokens: a server with the database does that")

const readingRevocations = "read the revocations"

// revoked is the text in the hash: everything that has an effect. Times are Unix microseconds, as PostgreSQL's are, 0 for none.
type revoked struct {
	Revocations []revocation `json:"revocations"`
	Disconnects []disconnect `json:"disconnects"`
}

type revocation struct {
	TokenID      string `json:"jti,omitempty"`
	User         string `json:"user,omitempty"`
	IssuedBefore int64  `json:"before,omitempty"`
}

type disconnect struct {
	ID int64 `json:"id"`
	revocation
	Until int64 `json:"until,omitempty"`
}

// readRevoked returns the number of the state, the time in milliseconds since the relay has confirmed it, and its text if the number is not ARGV[1].
const readRevoked = nowScript + `
local found = redis.call('hmget', KEYS[1], 'number', 'at', 'text')
local age = now - (tonumber(found[2] or '') or 0)
local text = found[3] or ''
if found[1] == ARGV[1] then text = '' end
return {found[1] or '', string.format('%.0f', math.max(age, 0)), text}`

// Read returns everything if it is another state than that of since, or since is 0, and since for the next call. Otherwise there is
// nothing new. What the relay has not confirmed for MaxAge is an error: tokens may have been revoked meanwhile. So is a state older than one
// that was read.
func (r *Revocations) Read(ctx context.Context, since uint64) (list []identity.Revocation, disconnects []identity.Disconnect, next uint64, err error) {
	found, err := r.store.reader.Run(ctx, redis.NewScript(readRevoked), []string{r.store.key(revokedName)}, strconv.FormatUint(since, 10)).StringSlice()
	switch {
	case err != nil:
		return nil, nil, 0, rediscall.Explain(readingRevocations, err)
	case len(found) != 3:
		return nil, nil, 0, rediscall.Explain(readingRevocations, errNotOurs)
	case found[0] == "":
		return nil, nil, 0, rediscall.NoRelay(readingRevocations + ": no relay has written them yet")
	}
	all, number, age, err := parseRevoked(found, since)
	switch {
	case err != nil:
		return nil, nil, 0, rediscall.Explain(readingRevocations, err)
	case age > MaxAge:
		return nil, nil, 0, rediscall.NoRelay(readingRevocations + ": the relay has not confirmed them for more than " + MaxAge.String())
	case r.isOlder(number):
		return nil, nil, 0, rediscall.NoRelay(readingRevocations + ": the store has lost the newest of them, and the relay has not written them again yet")
	}
	for _, v := range all.Revocations {
		list = append(list, identity.Revocation{TokenID: v.TokenID, User: v.User, IssuedBefore: fromMicro(v.IssuedBefore)})
	}
	for _, d := range all.Disconnects {
		disconnects = append(disconnects, identity.Disconnect{
			ID: d.ID, TokenID: d.TokenID, User: d.User, IssuedBefore: fromMicro(d.IssuedBefore), Until: fromMicro(d.Until),
		})
	}
	return list, disconnects, number, nil
}

// isOlder reports whether the store has gone back to an older state: it was restored from a dump, or its replica has taken over. The relay
// replaces it within seconds. An older state for longer than MaxAge is the present one: the store's clock was set back.
func (r *Revocations) isOlder(number uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	switch {
	case number >= r.newest:
	case r.olderFor.IsZero():
		r.olderFor = now
		return true
	case now.Sub(r.olderFor) < MaxAge:
		return true
	}
	r.newest, r.olderFor = number, time.Time{}
	return false
}

// errNotOurs says that no relay has written what the store holds.
var errNotOurs = errors.New("the store holds something else: check that no other program writes to it")

// parseRevoked parses the reply of readRevoked. A state that is known has no text.
func parseRevoked(found []string, known uint64) (all revoked, number uint64, age time.Duration, err error) {
	number, err = strconv.ParseUint(found[0], 10, 64)
	ms, ageErr := strconv.ParseInt(found[1], 10, 64)
	if err != nil || ageErr != nil || number == 0 || number != known && json.Unmarshal([]byte(found[2]), &all) != nil {
		return revoked{}, 0, 0, errNotOurs
	}
	return all, number, time.Duration(min(ms, int64(time.Hour/time.Millisecond))) * time.Millisecond, nil
}

// Revoke returns an error: the API of an edge has no route for it.
func (r *Revocations) Revoke(context.Context, identity.Revocation, time.Time) error {
	return errReadOnly
}

// Prune does nothing: the relay writes only what has an effect.
func (r *Revocations) Prune(context.Context) error { return nil }

// Write replaces what edges read, unless it is the same, and confirms it. It returns the number of the state.
func (r *Revocations) Write(ctx context.Context, list []identity.Revocation, disconnects []identity.Disconnect) (number uint64, err error) {
	var all revoked
	for _, v := range list {
		all.Revocations = append(all.Revocations, revocation{v.TokenID, v.User, unixMicro(v.IssuedBefore)})
	}
	for _, d := range disconnects {
		all.Disconnects = append(all.Disconnects, disconnect{d.ID, revocation{d.TokenID, d.User, unixMicro(d.IssuedBefore)}, unixMicro(d.Until)})
	}
	text, err := json.Marshal(all)
	if err == nil {
		number, err = redis.NewScript(writeRevoked).Run(ctx, r.store.client, []string{r.store.key(revokedName)}, text).Uint64()
	}
	return number, rediscall.Explain(writingRevocations, err)
}

const writingRevocations = "pass the revocations on"

// writeRevoked numbers the states by the store's clock, so that a number is not used again after the store was emptied.
const writeRevoked = nowScript + `
local before = redis.call('hmget', KEYS[1], 'number', 'text')
local number = tonumber(before[1] or '') or 0
if number == 0 or before[2] ~= ARGV[1] then number = math.max(now, number + 1) end
local text = string.format('%.0f', number)
redis.call('hset', KEYS[1], 'number', text, 'at', string.format('%.0f', now), 'text', ARGV[1])
return text`

// Confirm says to edges that the state with a number is still the present one. It returns false if the store has another one: it was emptied,
// or restored from an old dump.
func (r *Revocations) Confirm(ctx context.Context, number uint64) (bool, error) {
	has, err := redis.NewScript(confirmRevoked).Run(ctx, r.store.client, []string{r.store.key(revokedName)}, strconv.FormatUint(number, 10)).Bool()
	return has, rediscall.Explain(writingRevocations, err)
}

const confirmRevoked = nowScript + `
if redis.call('hget', KEYS[1], 'number') ~= ARGV[1] then return 0 end
redis.call('hset', KEYS[1], 'at', string.format('%.0f', now))
return 1`

// unixMicro returns 0 for the zero time.
func unixMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicro returns the zero time for 0.
func fromMicro(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

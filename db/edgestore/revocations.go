package edgestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/stream/identity"
)

// Revocations reads the revocations that the relay copies from the database. Edges store none.
type Revocations struct{ store *Store }

// NewRevocations returns the revocations of the store.
func NewRevocations(store *Store) *Revocations { return &Revocations{store} }

var (
	errNoRevocations = errors.New("read the revocations: no relay has written them yet: start pgherald relay with the same store")
	errReadOnly      = errors.New("revoke tokens: a server with the database does that")
)

// The fields of the hash that holds the revocations.
const (
	numberField = "number"
	textField   = "text"
)

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

// Read returns everything if it is another state than that of since, or since is 0, and since for the next call. Otherwise there is
// nothing new.
func (r *Revocations) Read(ctx context.Context, since uint64) (list []identity.Revocation, disconnects []identity.Disconnect, next uint64, err error) {
	number, err := r.store.client.HGet(ctx, r.store.key(revokedName), numberField).Uint64()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil, 0, errNoRevocations
	case err != nil:
		return nil, nil, 0, fmt.Errorf("read the revocations: %w", err)
	case number == since && since != 0:
		return nil, nil, since, nil
	}
	values, err := r.store.client.HMGet(ctx, r.store.key(revokedName), numberField, textField).Result()
	if err != nil {
		return nil, nil, 0, fmt.Errorf("read the revocations: %w", err)
	}
	all, number, ok := parseRevoked(values)
	if !ok {
		return nil, nil, 0, errors.New("read the revocations: the store holds something else: check that no other program writes to it")
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

func parseRevoked(values []any) (all revoked, number uint64, ok bool) {
	if len(values) != 2 {
		return all, 0, false
	}
	digits, isText := values[0].(string)
	text, hasText := values[1].(string)
	number, err := strconv.ParseUint(digits, 10, 64)
	if !isText || !hasText || err != nil || number == 0 || json.Unmarshal([]byte(text), &all) != nil {
		return revoked{}, 0, false
	}
	return all, number, true
}

// Revoke returns an error: the API of an edge has no route for it.
func (r *Revocations) Revoke(context.Context, identity.Revocation, time.Time) error {
	return errReadOnly
}

// Prune does nothing: the relay writes only what has an effect.
func (r *Revocations) Prune(context.Context) error { return nil }

// Write replaces what edges read, unless it is the same.
func (r *Revocations) Write(ctx context.Context, list []identity.Revocation, disconnects []identity.Disconnect) error {
	var all revoked
	for _, v := range list {
		all.Revocations = append(all.Revocations, revocation{v.TokenID, v.User, unixMicro(v.IssuedBefore)})
	}
	for _, d := range disconnects {
		all.Disconnects = append(all.Disconnects, disconnect{d.ID, revocation{d.TokenID, d.User, unixMicro(d.IssuedBefore)}, unixMicro(d.Until)})
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = redis.NewScript(writeRevoked).Run(ctx, r.store.client, []string{r.store.key(revokedName)}, text).Err()
	}
	if err != nil {
		return fmt.Errorf("pass the revocations on: %w", err)
	}
	return nil
}

// writeRevoked numbers the states by the store's clock, so that a number is not used again after the store was emptied.
const writeRevoked = `
if redis.call('hget', KEYS[1], 'text') == ARGV[1] then
    return 0
end
local now = redis.call('time')
local number = math.max(now[1] * 1000 + math.floor(now[2] / 1000), (tonumber(redis.call('hget', KEYS[1], 'number')) or 0) + 1)
redis.call('hset', KEYS[1], 'number', string.format('%.0f', number), 'text', ARGV[1])
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

package edgestore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/rediscall"
	"github.com/pgherald/pgherald/stream/identity"
)

// requestLifetime is how long a request to renew a lease, and the answer to it, stay in the store.
const requestLifetime = time.Minute

// Renewals passes requests to renew a stream's lease from the edge that receives the request to the edge that has the stream. A
// message on a channel names the connection, that is, the stream. It alone renews nothing: the requester's rights must be those
// of the stream.
type Renewals struct{ store *Store }

// NewRenewals returns the renewals of the store.
func NewRenewals(store *Store) *Renewals { return &Renewals{store} }

// request is a request to renew a lease. Times are Unix nanoseconds, 0 for none.
type request struct {
	Rights  []byte `json:"rights"`
	Until   int64  `json:"until"`
	TokenID string `json:"jti"`
	Issued  int64  `json:"iat"`
}

// answer is the answer to the request with the same rights.
type answer struct {
	Rights   []byte `json:"rights"`
	Accepted bool   `json:"accepted"`
	Until    int64  `json:"until"`
}

// Request stores a request to renew the connection's lease with the token of an identity, and notifies all edges. It replaces an
// earlier request for the same connection.
func (r *Renewals) Request(ctx context.Context, connection string, rights []byte, id identity.Identity) error {
	text, err := json.Marshal(request{rights, unixNano(id.Expires), id.TokenID, unixNano(id.IssuedAt)})
	if err == nil {
		_, err = r.store.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Del(ctx, r.store.key(answerPrefix+connection))
			p.Set(ctx, r.store.key(requestPrefix+connection), text, requestLifetime)
			return p.Publish(ctx, r.store.key(controlName), connection).Err()
		})
	}
	if err != nil {
		return rediscall.Explain("request the renewal of a lease", err)
	}
	return nil
}

// Result returns the answer to a request. answered is false while no edge has answered. accepted is false if the stream has other
// rights; otherwise until is the new end of the lease.
func (r *Renewals) Result(ctx context.Context, connection string, rights []byte) (until time.Time, accepted, answered bool, err error) {
	var a answer
	found, err := r.get(ctx, answerPrefix+connection, &a)
	if err != nil {
		return time.Time{}, false, false, rediscall.Explain("read the answer to a renewal", err)
	}
	if !found || !bytes.Equal(a.Rights, rights) {
		return time.Time{}, false, false, nil
	}
	return fromNano(a.Until), a.Accepted, true, nil
}

// Answer answers an open request for a connection whose stream has the given rights and whose lease ends at end. If the rights are
// the same, it calls renew before the requester can read the answer. If renew returns false, the stream has ended, and the request
// stays open.
func (r *Renewals) Answer(ctx context.Context, connection string, rights []byte, end time.Time, renew func(identity.Identity) bool) error {
	var q request
	found, err := r.get(ctx, requestPrefix+connection, &q)
	if err != nil {
		return rediscall.Explain("answer the renewal of a lease", err)
	}
	accepted := bytes.Equal(q.Rights, rights)
	if !found || accepted && !renew(identity.Identity{Expires: fromNano(q.Until), TokenID: q.TokenID, IssuedAt: fromNano(q.Issued)}) {
		return nil
	}
	text, err := json.Marshal(answer{q.Rights, accepted, max(q.Until, unixNano(end))}) // a renewal never shortens a lease
	if err == nil {
		_, err = r.store.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Del(ctx, r.store.key(requestPrefix+connection))
			return p.Set(ctx, r.store.key(answerPrefix+connection), text, requestLifetime).Err()
		})
	}
	if err != nil {
		return rediscall.Explain("answer the renewal of a lease", err)
	}
	return nil
}

// get reads a JSON object. found is false if there is none, or the store holds something else in its place.
func (r *Renewals) get(ctx context.Context, name string, into any) (found bool, err error) {
	text, err := r.store.reader.Run(ctx, redis.NewScript(getScript), []string{r.store.key(name)}, maxValueBytes).Text()
	switch {
	case errors.Is(err, redis.Nil):
		return false, nil
	case err != nil:
		return false, err
	}
	return json.Unmarshal([]byte(text), into) == nil, nil
}

package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/identity"
)

// Renewals passes requests to renew a stream's lease, through pgherald.renewals, from the server that
// receives the request to the server that has the stream. A notification on the channel
// pgherald_control names the connection, that is, the stream.
//
// The notification alone renews nothing: the requester's rights (a hash of user, roles and grants) must
// equal those of the stream.
type Renewals struct{ pool Pool }

// NewRenewals returns the renewals of the pool's database.
func NewRenewals(pool Pool) *Renewals { return &Renewals{pool: pool} }

// requestSQL stores a request and sends the notification. It also deletes requests older than a minute,
// so that the table stays small.
const requestSQL = `
with pruned as (
    delete from pgherald.renewals as r
    where r.requested_at < now() - interval '1 minute'
        and r.connection <> @connection
),
requested as (
    insert into pgherald.renewals as r (connection, rights_hash, until, jti, issued_at)
    values (@connection, @rights, @until, @jti, @issued_at)
    on conflict (connection) do update
    set rights_hash = excluded.rights_hash, until = excluded.until, jti = excluded.jti, issued_at = excluded.issued_at, requested_at = excluded.requested_at, accepted = null
    returning r.connection
)
select pg_notify('pgherald_control', q.connection)
from requested as q`

// Request stores a request to renew the connection's lease with the token of an identity, and notifies all
// servers. It replaces an earlier request for the same connection.
func (r *Renewals) Request(ctx context.Context, connection string, rights []byte, id identity.Identity) error {
	args := pgx.NamedArgs{
		"connection": connection, "rights": rights, "until": id.Expires, "jti": id.TokenID, "issued_at": nullIfZero(id.IssuedAt),
	}
	if _, err := r.pool.Exec(ctx, requestSQL, args); err != nil {
		return fmt.Errorf("request the renewal of a lease: %w", err)
	}
	return nil
}

const resultSQL = `
select r.accepted, r.until
from pgherald.renewals as r
where r.connection = @connection
    and r.rights_hash = @rights
    and r.accepted is not null`

// Result returns the answer to a request. answered is false while no server has answered. accepted is
// false if the stream has other rights; otherwise until is the new end of the lease.
func (r *Renewals) Result(ctx context.Context, connection string, rights []byte) (until time.Time, accepted, answered bool, err error) {
	err = r.pool.QueryRow(ctx, resultSQL, pgx.NamedArgs{"connection": connection, "rights": rights}).Scan(&accepted, &until)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return time.Time{}, false, false, nil
	case err != nil:
		return time.Time{}, false, false, fmt.Errorf("read the answer to a renewal: %w", err)
	}
	return until, accepted, true, nil
}

// answerSQL answers an open request. It stores the later of the requested end and the lease's present
// end, since a renewal never shortens a lease.
const answerSQL = `
update pgherald.renewals as r
set accepted = (r.rights_hash = @rights),
    until = greatest(r.until, @end)
where r.connection = @connection
    and r.accepted is null
returning r.accepted, r.until, coalesce(r.jti, ''), r.issued_at`

// Answer answers an open request for a connection whose stream has the given rights and whose lease ends
// at end. If the rights are the same, it calls renew before it commits, with the token's part of an
// identity, so that the requester never reads an end that the lease does not have. If renew returns false, the stream has ended, and the request
// stays open. Without an open request, Answer does nothing.
func (r *Renewals) Answer(ctx context.Context, connection string, rights []byte, end time.Time, renew func(identity.Identity) bool) error {
	args := pgx.NamedArgs{"connection": connection, "rights": rights, "end": end}
	err := pgx.BeginTxFunc(ctx, r.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		var accepted bool
		var token identity.Identity
		var issued *time.Time
		err := tx.QueryRow(ctx, answerSQL, args).Scan(&accepted, &token.Expires, &token.TokenID, &issued)
		if issued != nil {
			token.IssuedAt = *issued
		}
		if err != nil || !accepted {
			return err
		}
		if !renew(token) {
			return pgx.ErrNoRows // roll back
		}
		return nil
	})
	if err == nil || errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return fmt.Errorf("answer the renewal of a lease: %w", err)
}

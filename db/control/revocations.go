package control

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// RevocationsPayload is the notification that says that pgherald.revocations has new rows. It only asks for
// a read: any role of the database can send it.
const RevocationsPayload = "revocations"

// Revocation names tokens that end before they expire: the one with the TokenID or, if that is empty, those
// issued before a time, of a user or, if that is empty too, of every user.
type Revocation struct {
	TokenID      string
	User         string
	IssuedBefore time.Time // zero with a TokenID, and for a new revocation of a user: now
}

// Revocations keeps revocations in pgherald.revocations, for all servers.
type Revocations struct{ pool Pool }

// NewRevocations returns the revocations of the pool's database.
func NewRevocations(pool Pool) *Revocations { return &Revocations{pool: pool} }

// revokeSQL passes null for a time that is zero.
const revokeSQL = `
select pgherald.revoke(
    jti => nullif(@jti, ''),
    user_id => nullif(@user, ''),
    issued_before => @issued_before,
    expires => @expires
)`

// Revoke stores a revocation and notifies all servers. expires is the end of the last of the tokens, zero
// if that is not known. For an invalid argument the error is a *pgconn.PgError with SQLSTATE 22023.
func (r *Revocations) Revoke(ctx context.Context, revocation Revocation, expires time.Time) error {
	_, err := r.pool.Exec(ctx, revokeSQL, pgx.NamedArgs{
		"jti": revocation.TokenID, "user": revocation.User,
		"issued_before": nullIfZero(revocation.IssuedBefore), "expires": nullIfZero(expires),
	})
	if err != nil {
		return fmt.Errorf("revoke tokens: %w", err)
	}
	return nil
}

func nullIfZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// readRevocationsSQL returns one row, in which the arrays have an element for each revocation, and the
// transaction below which the next read need not look: every earlier one has ended, and so this snapshot
// shows its rows.
const readRevocationsSQL = `
select
    coalesce(array_agg(r.jti order by r.xid, r.jti, r.user_id), '{}'),
    coalesce(array_agg(r.user_id order by r.xid, r.jti, r.user_id), '{}'),
    coalesce(array_agg(r.issued_before order by r.xid, r.jti, r.user_id), '{}'),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint
from pgherald.revocations as r
where r.xid >= @since::text::xid8`

// Read returns the revocations of the transactions from since on, and since for the next call. It may return
// one again. With since 0 it returns all.
func (r *Revocations) Read(ctx context.Context, since uint64) (list []Revocation, next uint64, err error) {
	var jtis, users []string
	var times []*time.Time
	err = r.pool.QueryRow(ctx, readRevocationsSQL, pgx.NamedArgs{"since": fmt.Sprint(since)}).Scan(&jtis, &users, &times, &next)
	if err != nil {
		return nil, 0, fmt.Errorf("read the revocations: %w", err)
	}
	list = make([]Revocation, len(jtis))
	for i := range jtis {
		list[i] = Revocation{TokenID: jtis[i], User: users[i]}
		if times[i] != nil {
			list[i].IssuedBefore = *times[i]
		}
	}
	return list, next, nil
}

// pruneRevocationsSQL leaves an hour for the tolerated difference between clocks.
const pruneRevocationsSQL = `
delete from pgherald.revocations as r
where
    r.expires < now() - interval '1 hour'
    or @lifetime > 0
    and greatest(r.revoked_at, r.issued_before) < now() - make_interval(secs => @lifetime) - interval '1 hour'`

// Prune deletes the revocations whose tokens have all expired: by their own end and, if lifetime is not 0,
// because no token lives longer than that.
func (r *Revocations) Prune(ctx context.Context, lifetime time.Duration) error {
	if _, err := r.pool.Exec(ctx, pruneRevocationsSQL, pgx.NamedArgs{"lifetime": lifetime.Seconds()}); err != nil {
		return fmt.Errorf("prune the revocations: %w", err)
	}
	return nil
}

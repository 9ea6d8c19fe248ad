package control

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/identity"
)

// RevocationsPayload is the notification that says that pgherald.revocations has new rows. It only asks for
// a read: any role of the database can send it.
const RevocationsPayload = "revocations"

// Revocations keeps revocations in pgherald.revocations, for all servers.
type Revocations struct {
	pool     Pool
	lifetime time.Duration
}

// NewRevocations returns the revocations of the pool's database. No token lives longer than lifetime; 0 if that is not limited.
func NewRevocations(pool Pool, lifetime time.Duration) *Revocations {
	return &Revocations{pool: pool, lifetime: lifetime}
}

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
func (r *Revocations) Revoke(ctx context.Context, revocation identity.Revocation, expires time.Time) error {
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

// readRevocationsSQL returns one row, in which the arrays have an element for each revocation, then the
// disconnects, and the transaction below which the next read need not look: every earlier one has ended, and
// so this snapshot shows its rows.
const readRevocationsSQL = `
select
    coalesce(array_agg(r.jti order by r.xid, r.jti, r.user_id), '{}'),
    coalesce(array_agg(r.user_id order by r.xid, r.jti, r.user_id), '{}'),
    coalesce(array_agg(r.issued_before order by r.xid, r.jti, r.user_id), '{}'),
    (
        select coalesce(json_agg(d order by d.id), '[]')
        from (
            select
                d.id,
                d.jti,
                d.user_id,
                d.issued_before,
                d.until,
                d.disconnected_at > clock_timestamp() - interval '5 seconds' as is_new
            from pgherald.disconnects as d
            where d.xid >= @since::text::xid8
        ) as d
    ),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint
from pgherald.revocations as r
where r.xid >= @since::text::xid8`

// Read returns the revocations and the disconnects of the transactions from since on, and since for the next
// call. It may return one again. With since 0 it returns all.
func (r *Revocations) Read(ctx context.Context, since uint64) (list []identity.Revocation, disconnects []identity.Disconnect, next uint64, err error) {
	var jtis, users []string
	var times []*time.Time
	var text []byte
	err = r.pool.QueryRow(ctx, readRevocationsSQL, pgx.NamedArgs{"since": fmt.Sprint(since)}).Scan(&jtis, &users, &times, &text, &next)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("read the revocations: %w", err)
	}
	if disconnects, err = parseDisconnects(text); err != nil {
		return nil, nil, 0, err
	}
	list = make([]identity.Revocation, len(jtis))
	for i := range jtis {
		list[i] = identity.Revocation{TokenID: jtis[i], User: users[i]}
		if times[i] != nil {
			list[i].IssuedBefore = *times[i]
		}
	}
	return list, disconnects, next, nil
}

// pruneRevocationsSQL leaves an hour for the tolerated difference between clocks.
const pruneRevocationsSQL = `
delete from pgherald.revocations as r
where
    r.expires < now() - interval '1 hour'
    or @lifetime > 0
    and greatest(r.revoked_at, r.issued_before) < now() - make_interval(secs => @lifetime) - interval '1 hour'`

// pruneDisconnectsSQL leaves time for servers that have been away from the database.
const pruneDisconnectsSQL = `
delete from pgherald.disconnects as d
where greatest(d.disconnected_at, d.until) < now() - interval '1 hour'`

// Prune deletes the revocations whose tokens have all expired: by their own end and, if the lifetime of
// tokens is limited, by that. It deletes the disconnects that have no effect any more, too.
func (r *Revocations) Prune(ctx context.Context) error {
	if _, err := r.pool.Exec(ctx, pruneRevocationsSQL, pgx.NamedArgs{"lifetime": r.lifetime.Seconds()}); err != nil {
		return fmt.Errorf("prune the revocations: %w", err)
	}
	if _, err := r.pool.Exec(ctx, pruneDisconnectsSQL); err != nil {
		return fmt.Errorf("prune the disconnects: %w", err)
	}
	return nil
}

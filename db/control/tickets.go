package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/identity"
)

// Tickets keeps single-use tickets in pgherald.tickets, so that every server accepts the tickets of all
// servers. The table holds only their hashes.
type Tickets struct{ pool Pool }

// NewTickets returns the tickets of the pool's database.
func NewTickets(pool Pool) *Tickets { return &Tickets{pool: pool} }

// issueSQL uses the database's clock, because the clocks of servers differ. It also deletes up to ten
// expired tickets, so that unused ones do not accumulate.
const issueSQL = `
with pruned as (
    delete from pgherald.tickets as t
    where t.hash in (
        select o.hash
        from pgherald.tickets as o
        where o.expires < now()
        order by o.expires
        limit 10
        for update skip locked
    )
)
insert into pgherald.tickets as t (hash, user_id, roles, grants, until, jti, issued_at, expires)
values (@hash, @user, @roles::text[], @grants::text[], @until, @jti, @issued_at, clock_timestamp() + make_interval(secs => @lifetime))
returning t.expires`

// Issue stores a ticket by its hash and returns when it expires.
func (t *Tickets) Issue(ctx context.Context, hash []byte, id identity.Identity, lifetime time.Duration) (expires time.Time, err error) {
	err = t.pool.QueryRow(ctx, issueSQL, pgx.NamedArgs{
		"hash": hash, "user": id.User, "roles": notNull(id.Roles), "grants": notNull(id.Grants), "until": id.Expires,
		"jti": id.TokenID, "issued_at": nullIfZero(id.IssuedAt), "lifetime": lifetime.Seconds(),
	}).Scan(&expires)
	if err != nil {
		return time.Time{}, fmt.Errorf("issue a ticket: %w", err)
	}
	return expires, nil
}

// redeemSQL deletes a ticket. If two transactions delete the same one, the second waits for the first and
// then finds no row, so that a ticket is redeemed once.
const redeemSQL = `
delete from pgherald.tickets as t
where t.hash = @hash
returning t.user_id, t.roles, t.grants, t.until, coalesce(t.jti, ''), t.issued_at, t.expires > clock_timestamp()`

// Redeem deletes the ticket and returns its identity. valid is false if there is no such ticket or if it
// has expired.
func (t *Tickets) Redeem(ctx context.Context, hash []byte) (id identity.Identity, valid bool, err error) {
	var issued *time.Time
	err = t.pool.QueryRow(ctx, redeemSQL, pgx.NamedArgs{"hash": hash}).
		Scan(&id.User, &id.Roles, &id.Grants, &id.Expires, &id.TokenID, &issued, &valid)
	if issued != nil {
		id.IssuedAt = *issued
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && !valid:
		return identity.Identity{}, false, nil
	case err != nil:
		return identity.Identity{}, false, fmt.Errorf("redeem a ticket: %w", err)
	}
	return id, true, nil
}

// notNull returns an empty slice for nil, which pgx would send as null.
func notNull(list []string) []string { return append([]string{}, list...) }

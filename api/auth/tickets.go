package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TicketParam is the query parameter with a ticket.
const TicketParam = "ticket"

// TicketLife is how long a ticket counts.
const TicketLife = 30 * time.Second

// Tickets are given for a token and stand for it once: for clients that can send nothing but a URL,
// such as a browser's EventSource. A ticket in a log is of no use to who finds it there. They are
// kept in the database, so any server takes what another one has given.
type Tickets struct{ pool *pgxpool.Pool }

// NewTickets returns the tickets in a database with the schema pgherald.
func NewTickets(pool *pgxpool.Pool) *Tickets { return &Tickets{pool: pool} }

// All times are the database's, as servers' clocks differ. Each new ticket takes some that nobody
// came with along, so they do not pile up.
const giveSQL = `
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
insert into pgherald.tickets as t (hash, user_id, roles, grants, until, expires)
values (@hash, @user, @roles::text[], @grants::text[], @until, clock_timestamp() + make_interval(secs => @life))
returning t.expires`

// Give returns a ticket for somebody, and until when it counts.
func (t *Tickets) Give(ctx context.Context, id Identity) (ticket string, expires time.Time, err error) {
	ticket = rand.Text()
	err = t.pool.QueryRow(ctx, giveSQL, pgx.NamedArgs{
		"hash": hashOf(ticket), "user": id.User, "roles": texts(id.Roles), "grants": texts(id.Grants), "until": id.Expires,
		"life": TicketLife.Seconds(),
	}).Scan(&expires)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("give a ticket: %w", err)
	}
	return ticket, expires, nil
}

// Of two who come with the same ticket at once, one waits for the other and finds nothing then.
const takeSQL = `
delete from pgherald.tickets as t
where t.hash = @hash
returning t.user_id, t.roles, t.grants, t.until, t.expires > clock_timestamp()`

// Take returns who the ticket was given to. Nobody can take it again, whatever the answer is. The
// error is an *Error if the ticket does not count.
func (t *Tickets) Take(ctx context.Context, ticket string) (Identity, error) {
	var id Identity
	var counts bool
	row := t.pool.QueryRow(ctx, takeSQL, pgx.NamedArgs{"hash": hashOf(ticket)})
	switch err := row.Scan(&id.User, &id.Roles, &id.Grants, &id.Expires, &counts); {
	case errors.Is(err, pgx.ErrNoRows), err == nil && !counts:
		return Identity{}, unauthorized("ticket", "the ticket does not count: each is for once, and for 30 seconds. Get another one at /api/tickets")
	case err != nil:
		return Identity{}, fmt.Errorf("take a ticket: %w", err)
	}
	return id, nil
}

func hashOf(ticket string) []byte {
	sum := sha256.Sum256([]byte(ticket))
	return sum[:]
}

// texts is never null.
func texts(list []string) []string { return append([]string{}, list...) }

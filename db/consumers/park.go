package consumers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
)

// MaxParkedBytes bounds the envelopes that a consumer has parked.
const MaxParkedBytes = 64 << 20

// Parked is an event that is not sent until it is replayed.
type Parked struct {
	Place    int64 // tells parked events apart
	ID       int64 // of the event: the order within the lane
	Lane     string
	Type     string
	Key      string // shortened; empty if there is none
	Envelope json.RawMessage
	Attempts int
	Failure  string // empty if it waits for an earlier event of its lane
	At       time.Time
	IsDue    bool
}

// Verdict says what became of an event that was to be parked.
type Verdict int

// The verdicts.
const (
	IsParked Verdict = iota
	IsFull           // there is no room for it
	IsFree           // its lane has no parked event: send it
)

// runnerSQL is the consumer $1 if the process $2 is its runner, and PostgreSQL has not recovered since the recovery $3. It locks the row: no
// other process becomes the runner before the statement has committed. The lock excludes others of its kind, so that Save, which waits for
// it too, has its turn.
const runnerSQL = `
runner as materialized (
    select c.name
    from pgherald.consumers as c
    where
        c.name = $1
        and c.runner = $2
        and c.runs_until > clock_timestamp()
        and exists (select from pgherald.recovered as r where r.id = $3)
    for no key update of c
)`

// parkSQL adds an event ($4 to $10) within the bounds $11 and $12; with $13 only if its lane has others. The same id in the same lane is the
// same event, unless the log was reset: then the newer one replaces it.
const parkSQL = `
with` + runnerSQL + `,
lane as materialized (
    select exists (select from pgherald.parked as p where p.consumer = $1 and p.lane = $5) as is_parked
),
room as materialized (
    select count(*) < $11 and coalesce(sum(p.bytes), 0) + octet_length($8::text) <= $12 as is_left
    from pgherald.parked as p
    where p.consumer = $1
),
added as (
    insert into pgherald.parked (consumer, id, lane, type, key, envelope, bytes, attempts, failure)
    select r.name, $4, $5, $6, nullif($7, ''), $8::text::json, octet_length($8::text), $9, nullif($10, '')
    from runner as r
    cross join lane
    cross join room
    where room.is_left and (lane.is_parked or not $13)
    on conflict (consumer, lane, id) do update
    set type = excluded.type, key = excluded.key, envelope = excluded.envelope, bytes = excluded.bytes
)
select
    exists (select from runner),
    lane.is_parked,
    room.is_left or exists (select from pgherald.parked as p where p.consumer = $1 and p.lane = $5 and p.id = $4)
from lane
cross join room`

// Park parks an event. If behind is set, it does so only if its lane has parked events already. max bounds the events of the consumer.
func (c *Consumer) Park(ctx context.Context, p Parked, behind bool, max int) (Verdict, error) {
	var isRunner, isParked, hasRoom bool
	err := c.write(ctx, parkSQL, []any{
		p.ID, p.Lane, p.Type, p.Key, string(p.Envelope), p.Attempts, p.Failure, max, int64(MaxParkedBytes), behind,
	}, &isRunner, &isParked, &hasRoom)
	switch {
	case err != nil:
		return IsFull, fmt.Errorf("park the event %d: %w", p.ID, err)
	case behind && !isParked:
		return IsFree, nil
	case !hasRoom:
		return IsFull, nil
	}
	return IsParked, nil
}

// write executes a statement with runnerSQL and scans its only row, whose first column, isRunner, says whether there is a runner. It returns
// ErrLost if there is none.
func (c *Consumer) write(ctx context.Context, sql string, args []any, isRunner *bool, others ...any) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	args = append([]any{c.opts.Name, c.opts.Runner, c.recovery}, args...)
	if err := c.pool.QueryRow(ctx, sql, args...).Scan(append([]any{isRunner}, others...)...); err != nil {
		return db.Explain(err)
	}
	if !*isRunner {
		return ErrLost
	}
	return nil
}

// enter waits until fewer than besideSave statements are executed.
func (c *Consumer) enter(ctx context.Context) error {
	select {
	case c.entered <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Consumer) leave() { <-c.entered }

// Lanes returns the lanes with parked events, and whether each is due.
func (c *Consumer) Lanes(ctx context.Context) (map[string]bool, error) {
	const sql = `
select
    p.lane,
    bool_or(p.is_due)
from pgherald.parked as p
where p.consumer = $1
group by p.lane`
	type lane struct {
		Name  string
		IsDue bool
	}
	found, err := collect(ctx, c.pool, pgx.RowToStructByPos[lane], sql, c.opts.Name)
	if err != nil {
		return nil, fmt.Errorf("read which lanes are parked: %w", err)
	}
	lanes := make(map[string]bool, len(found))
	for _, l := range found {
		lanes[l.Name] = l.IsDue
	}
	return lanes, nil
}

// First returns the first parked event of a lane, and false if it has none or is not due.
func (c *Consumer) First(ctx context.Context, lane string) (p Parked, found bool, err error) {
	const sql = `
select` + parkedColumns + `
from pgherald.parked as p
where p.consumer = $1 and p.lane = $2 and exists (
    select from pgherald.parked as d where d.consumer = $1 and d.lane = $2 and d.is_due
)
order by p.id
limit 1`
	if err := c.enter(ctx); err != nil {
		return p, false, err
	}
	defer c.leave()
	all, err := collect(ctx, c.pool, pgx.RowToStructByPos[Parked], sql, c.opts.Name, lane)
	if err != nil {
		return p, false, fmt.Errorf("read the parked events: %w", err)
	}
	if len(all) == 0 {
		return p, false, nil
	}
	return all[0], true, nil
}

// parkedColumns are those of a Parked, from pgherald.parked as p.
const parkedColumns = `
    p.place,
    p.id,
    p.lane,
    p.type,
    coalesce(p.key, ''),
    convert_to(p.envelope::text, 'UTF8'),
    p.attempts,
    coalesce(p.failure, ''),
    p.parked_at,
    p.is_due`

// Unpark removes an event that was sent. The rest of its lane stays due. It returns ErrLost if this process is not the runner any more.
func (c *Consumer) Unpark(ctx context.Context, p Parked) error {
	const sql = `
with` + runnerSQL + `,
sent as (
    delete from pgherald.parked as p
    using runner as r
    where p.consumer = r.name and p.place = $4
    returning p.lane
),
rest as (
    update pgherald.parked as p
    set is_due = true
    from sent as s
    where p.consumer = $1 and p.lane = s.lane and p.place <> $4 and not p.is_due
)
select exists (select from runner)`
	var isRunner bool
	if err := c.write(ctx, sql, []any{p.Place}, &isRunner); err != nil {
		return fmt.Errorf("remove the parked event %d: %w", p.ID, err)
	}
	return nil
}

// Refuse stores that the receiver has refused a parked event again. Its lane is not due any more. It returns ErrLost if this process is not
// the runner any more.
func (c *Consumer) Refuse(ctx context.Context, p Parked, failure string) error {
	const sql = `
with` + runnerSQL + `,
refused as (
    update pgherald.parked as p
    set
        is_due = false,
        attempts = case when p.place = $5 then $6 else p.attempts end,
        failure = case when p.place = $5 then $7 else p.failure end
    from runner as r
    where p.consumer = r.name and p.lane = $4
)
select exists (select from runner)`
	var isRunner bool
	if err := c.write(ctx, sql, []any{p.Lane, p.Place, p.Attempts, failure}, &isRunner); err != nil {
		return fmt.Errorf("store that the parked event %d was refused: %w", p.ID, err)
	}
	return nil
}

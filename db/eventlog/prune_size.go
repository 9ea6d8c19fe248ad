package eventlog

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// eventBytesSQL counts the bytes that PostgreSQL stores for an event e: its values, compressed if they are, and 80 for the
// row's header, its columns of a fixed size and its entry in the index. It reads no value from TOAST. This is the least that the
// event takes, so the files are never smaller than the sum.
const eventBytesSQL = `(
            80 + pg_column_size(e.type) + coalesce(pg_column_size(e.key), 0)
            + coalesce(pg_column_size(e.audience), 0) + pg_column_size(e.data)
            + coalesce(pg_column_size(e.was), 0) + coalesce(pg_column_size(e.audience_was), 0)
        )`

// measuredFor is how long a measurement holds. It notices what another session deletes with a DELETE of its own only
// after that time.
const measuredFor = time.Hour

// logSize knows how many bytes the events of the log take. Neither ids nor the size of the files tell: rolled-back
// writes draw ids, and files do not shrink.
//
// It counts each event once, in segments, and later only the new ones. Events of transactions that have ended, below
// every running one, do not change until they are pruned. Those above are not counted, and cannot be pruned yet.
// A segment that another server has pruned in part is counted again.
//
// Counting is not necessary while the files are smaller than the limit, which takes one look at the catalog. Above it,
// counting a log of ten million events of 250 bytes takes some 10 s and 500 short statements, once in measuredFor; a
// turn of the pruner counts the events that are new since the last one.
type logSize struct {
	pool *pgxpool.Pool
	page int // events in a segment, at most

	state    logState
	began    time.Time
	segments []segment
}

// logState identifies the content of the log. While it is the same, events are added only.
type logState struct {
	id          string // of the log: changes with a reset
	file        uint32 // changes with a TRUNCATE
	prunedBelow uint64
}

// segment is a part of the log in the order of the primary key.
type segment struct {
	first, last uint64 // transactions; a neighbour may have other events of the same ones
	lastID      int64
	events      int
	bytes       int64
}

// measure returns the bytes of the events and the state of the log for which they hold. If the files show that they
// are not above limit, it returns 0.
func (s *logSize) measure(ctx context.Context, limit int64) (int64, logState, error) {
	xmin, files, err := s.look(ctx)
	if err != nil || files <= limit {
		return 0, s.state, err
	}
	if err := s.recount(ctx); err != nil {
		return 0, s.state, err
	}
	for {
		added, err := s.countNext(ctx, xmin)
		if err != nil {
			return 0, s.state, err
		}
		if added == 0 {
			break
		}
	}
	var sum int64
	for _, p := range s.segments {
		sum += p.bytes
	}
	return sum, s.state, nil
}

const logStateSQL = `
select l.id::text, coalesce(pg_relation_filenode('pgherald.events'), 0) as file, l.pruned_below
from pgherald.log as l`

func readLogState(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (state logState, err error) {
	err = q.QueryRow(ctx, logStateSQL).Scan(&state.id, &state.file, &state.prunedBelow)
	return state, err
}

const filesSQL = `
select pg_snapshot_xmin(pg_current_snapshot()) as xmin, pg_total_relation_size('pgherald.events') as bytes`

// look reads the state of the log, the transaction below which all have ended, and the size of the files. It forgets
// what was measured in another state.
func (s *logSize) look(ctx context.Context) (xmin uint64, files int64, err error) {
	// The state first: a prune between the two statements then only makes the caller's look at it fail.
	state, err := readLogState(ctx, s.pool)
	if err != nil {
		return 0, 0, err
	}
	if err := s.pool.QueryRow(ctx, filesSQL).Scan(&xmin, &files); err != nil {
		return 0, 0, err
	}
	if state.id != s.state.id || state.file != s.state.file || time.Since(s.began) > measuredFor {
		s.segments, s.began = nil, time.Now()
	}
	s.state = state
	return xmin, files, nil
}

// recount removes the segments below the horizon, and counts the segments again that it cuts.
func (s *logSize) recount(ctx context.Context) error {
	horizon := s.state.prunedBelow
	s.segments = slices.DeleteFunc(s.segments, func(p segment) bool { return p.last < horizon })
	for i := range s.segments {
		p := &s.segments[i]
		if p.first >= horizon {
			break
		}
		rest, err := s.count(ctx, position{horizon, math.MinInt64}, position{p.last, p.lastID})
		if err != nil {
			return err
		}
		rest.last, rest.lastID = p.last, p.lastID
		rest.first = max(rest.first, horizon)
		*p = rest
	}
	return nil
}

// position is a place in the order of the primary key.
type position struct {
	xid uint64
	id  int64
}

// countNext counts events after the last segment and below xmin. It adds them to that segment while it has room.
func (s *logSize) countNext(ctx context.Context, xmin uint64) (added int, err error) {
	var from position
	var last *segment
	if n := len(s.segments); n > 0 {
		last = &s.segments[n-1]
		from = position{last.last, last.lastID}
	}
	if xmin == 0 {
		return 0, nil
	}
	next, err := s.count(ctx, from, position{xmin - 1, math.MaxInt64})
	if err != nil || next.events == 0 {
		return 0, err
	}
	if last != nil && last.events+next.events <= s.page {
		last.last, last.lastID = next.last, next.lastID
		last.events, last.bytes = last.events+next.events, last.bytes+next.bytes
		return next.events, nil
	}
	s.segments = append(s.segments, next)
	return next.events, nil
}

const countSQL = `
with page as materialized (
    select e.xid, e.id, ` + eventBytesSQL + ` as bytes
    from pgherald.events as e
    where (e.xid, e.id) > ($1, $2) and (e.xid, e.id) <= ($3, $4)
    order by e.xid, e.id
    limit $5
),
newest as (
    select page.xid, page.id from page order by page.xid desc, page.id desc limit 1
)
select
    count(*) as events,
    coalesce(sum(page.bytes), 0)::bigint as bytes,
    coalesce((select page.xid from page order by page.xid, page.id limit 1), '0') as first,
    coalesce((select newest.xid from newest), '0') as last,
    coalesce((select newest.id from newest), 0) as last_id
from page`

// count counts at most a page of events above from, up to and including to.
func (s *logSize) count(ctx context.Context, from, to position) (p segment, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// With outdated statistics, PostgreSQL could scan and sort the whole log for each page.
		if _, err := tx.Exec(ctx, `set local enable_bitmapscan = off`); err != nil {
			return err
		}
		return tx.QueryRow(ctx, countSQL, from.xid, from.id, to.xid, to.id, s.page).
			Scan(&p.events, &p.bytes, &p.first, &p.last, &p.lastID)
	})
	if err != nil {
		return p, fmt.Errorf("measure the log: %w", err)
	}
	return p, nil
}

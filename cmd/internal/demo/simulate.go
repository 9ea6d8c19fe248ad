package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// simulated is how many activities the demo keeps: older ones that it made up are deleted.
const simulated = 200

// simulator makes up the daily life of a workload. It writes to tables like anybody else, and
// knows nothing of events.
type simulator struct {
	conn *pgx.Conn
}

// simulate makes up about rate changes per second until ctx ends. When the database does not
// answer it waits and connects anew.
func simulate(ctx context.Context, logger *slog.Logger, url string, rate float64) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	var s simulator
	defer s.close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.step(ctx, url); err != nil && ctx.Err() == nil {
			logger.Debug("simulation paused", "error", err)
			s.close()
		}
	}
}

func (s *simulator) close() {
	if s.conn != nil {
		_ = s.conn.Close(context.Background())
		s.conn = nil
	}
}

func (s *simulator) step(ctx context.Context, url string) error {
	if s.conn == nil {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return fmt.Errorf("connect for the simulation: %w", err)
		}
		s.conn = conn
	}
	switch n := rand.IntN(10); {
	case n < 4:
		return s.create(ctx)
	case n < 6:
		return s.exec(ctx, assignSQL, one(people), one(people))
	case n < 8:
		return s.exec(ctx, statusSQL, one(statuses))
	case n < 9:
		return s.exec(ctx, noteSQL, one(people), one(notes))
	default:
		return s.exec(ctx, forgetSQL, simulated, oneOf(subcategories))
	}
}

func (s *simulator) create(ctx context.Context) error {
	category := one(categories)
	return s.exec(ctx, createSQL, category, one(subcategories[category]), one(locations), one(people))
}

func (s *simulator) exec(ctx context.Context, sql string, args ...any) error {
	if _, err := s.conn.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("make up an activity: %w", err)
	}
	return nil
}

const createSQL = `
insert into public.activities (category, subcategory, location, reporter)
values ($1, $2, $3, $4)`

// Any of the newest activities.
const anySQL = `
select id from (select id from public.activities order by created_at desc limit 20) as newest
order by random() limit 1`

const assignSQL = `
insert into public.assignments (activity_id, assignee_id, assigned_by)
select id, $1, $2 from (` + anySQL + `) as a
on conflict (activity_id) do update
set assignee_id = excluded.assignee_id, assigned_by = excluded.assigned_by, assigned_at = now()
where assignments.assignee_id <> excluded.assignee_id`

const statusSQL = `
update public.activities set status = $1
where id = (` + anySQL + `) and status <> $1`

const noteSQL = `
insert into public.activity_updates (activity_id, author_id, notes)
select id, $1, $2 from (` + anySQL + `) as a`

// Only what the simulation may have made up: what people wrote stays.
const forgetSQL = `
delete from public.activities
where id in (select id from public.activities order by created_at desc offset $1)
and subcategory = any($2)`

func one(choices []string) string { return choices[rand.IntN(len(choices))] }

func oneOf(choices map[string][]string) []string {
	var all []string
	for _, c := range choices {
		all = append(all, c...)
	}
	return all
}

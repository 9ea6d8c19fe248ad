package demo

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// keptActivities is the number of activities that the simulation keeps. It deletes older ones of its own.
const keptActivities = 200

// simulator writes activities in SQL. It knows nothing of events.
type simulator struct {
	conn *pgx.Conn // nil until it connects
}

// simulate makes about rate changes per second until ctx ends. After an error it connects again.
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
			logger.Debug("simulation interrupted", "error", err)
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

// step makes one change of a random kind.
func (s *simulator) step(ctx context.Context, url string) error {
	if s.conn == nil {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			_, err = conn.Exec(ctx, `set search_path = pg_catalog, pg_temp`)
		}
		if err != nil {
			return fmt.Errorf("connect for the simulation: %w", err)
		}
		s.conn = conn
	}
	switch n := rand.IntN(10); {
	case n < 4:
		return s.create(ctx)
	case n < 6:
		return s.exec(ctx, assignSQL, pick(people), pick(people))
	case n < 8:
		return s.exec(ctx, statusSQL, pick(statuses))
	case n < 9:
		return s.exec(ctx, noteSQL, pick(people), pick(notes))
	default:
		return s.exec(ctx, deleteSQL, keptActivities, slices.Concat(slices.Collect(maps.Values(subcategories))...))
	}
}

func (s *simulator) create(ctx context.Context) error {
	category := pick(categories)
	return s.exec(ctx, createSQL, category, pick(subcategories[category]), pick(locations), pick(people))
}

func (s *simulator) exec(ctx context.Context, sql string, args ...any) error {
	if _, err := s.conn.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("simulate a change: %w", err)
	}
	return nil
}

const createSQL = `
insert into public.activities (category, subcategory, location, reporter)
values ($1, $2, $3, $4)`

// anySQL selects one of the newest activities at random.
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

// deleteSQL spares activities with subcategories other than the simulation's: users wrote them.
const deleteSQL = `
delete from public.activities
where id in (select id from public.activities order by created_at desc offset $1)
and subcategory = any($2)`

func pick(choices []string) string { return choices[rand.IntN(len(choices))] }

// The vocabulary of the simulated activities.
var (
	categories    = []string{"Maintenance", "Safety", "Logistics", "Cleaning"}
	subcategories = map[string][]string{
		"Maintenance": {"HVAC", "Lighting", "Elevator", "Plumbing"},
		"Safety":      {"Fire drill", "Incident", "Inspection"},
		"Logistics":   {"Delivery", "Pickup", "Inventory"},
		"Cleaning":    {"Spill", "Windows", "Waste"},
	}
	locations = []string{"HQ, floor 1", "HQ, floor 2", "Warehouse", "Lab", "Parking"}
	people    = []string{"ada", "grace", "linus", "margaret", "ken"}
	statuses  = []string{"open", "in_progress", "blocked", "resolved", "closed"}
	notes     = []string{
		"Parts are ordered.", "Waiting for access.", "Done, please check.", "Called the vendor.", "Needs a second pair of hands.",
	}
)

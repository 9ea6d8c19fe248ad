package bench

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
)

// Variants of the triggers on the activities, as flags and tables have them. pgherald is as generated.
const (
	noTriggers   = "none"
	naiveTrigger = "naive" // the row in a NOTIFY, for each row
	logOnly      = "log"   // as generated, without the doorbell
)

// activities is the workload's table under measurement, with the triggers that are changed on it.
// The table's own trigger, which sets updated_at, stays with all of them.
type activities struct {
	lab       *lab
	triggers  []string // pgherald's, quoted
	functions []string // that they call, as generated
	silent    []string // and without the doorbell
}

const naiveSQL = `
create trigger naive_notify
after update on public.activities
for each row execute function public.naive_notify();
`

// Rows are numbered in their ids and reporters, so that a client can tell which it has.
const fillSQL = `
insert into public.activities (id, category, subcategory, location, status, reporter)
select
	('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid,
	'Maintenance',
	'Air conditioning',
	'room 0',
	'open',
	'r' || i
from generate_series(1, $1::int) as i`

// activityID is the id of the row of this number.
func activityID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", i) }

// openActivities has a server make the tables and triggers, and fills the table.
func (l *lab) openActivities(rows int) (*activities, error) {
	s, err := l.serve()
	if err != nil {
		return nil, err
	}
	s.stop()
	a := &activities{lab: l}
	if _, err := l.conn.Exec(l.ctx, naiveFunctionSQL+naiveSQL); err != nil {
		return nil, fmt.Errorf("create the naive trigger: %w", err)
	}
	if err := a.load(l.ctx); err != nil {
		return nil, err
	}
	if err := a.use(noTriggers); err != nil {
		return nil, err
	}
	if _, err := l.conn.Exec(l.ctx, fillSQL, rows); err != nil {
		return nil, fmt.Errorf("fill the activities: %w", err)
	}
	return a, a.use(ours)
}

// doorbell is what a generated function does after the insert into the log.
var doorbell = regexp.MustCompile(`(?m)^(?:    --.*\n)*    if written > 0 and .*\n(?:        .*\n)*    end if;\n`)

// load reads what the server has installed.
func (a *activities) load(ctx context.Context) error {
	rows, err := a.lab.conn.Query(ctx, `
		select quote_ident(t.tgname), p.proname::text, pg_catalog.pg_get_functiondef(p.oid)
		from pg_catalog.pg_trigger as t
		join pg_catalog.pg_proc as p on p.oid = t.tgfoid
		where t.tgrelid = 'public.activities'::regclass
			and p.pronamespace = 'pgherald'::regnamespace`)
	if err != nil {
		return fmt.Errorf("look up the triggers: %w", err)
	}
	var trigger, name, definition string
	_, err = pgx.ForEachRow(rows, []any{&trigger, &name, &definition}, func() error {
		a.triggers = append(a.triggers, trigger)
		if name != "public.activities.update" {
			return nil
		}
		silent := doorbell.ReplaceAllString(definition, "")
		if silent == definition {
			return errors.New("cut the doorbell out of the trigger's function: it is not where it is looked for")
		}
		a.functions = append(a.functions, definition)
		a.silent = append(a.silent, silent)
		return nil
	})
	if err == nil && len(a.functions) == 0 {
		err = errors.New("there is none for UPDATE")
	}
	if err != nil {
		return fmt.Errorf("read the triggers of the activities: %w", err)
	}
	return nil
}

// use puts a variant in place.
func (a *activities) use(variant string) error {
	state := func(on bool) string {
		if on {
			return "enable"
		}
		return "disable"
	}
	functions := a.functions
	if variant == logOnly {
		functions = a.silent
	}
	statements := append([]string{}, functions...)
	for _, t := range a.triggers {
		statements = append(statements, "alter table public.activities "+state(variant == ours || variant == logOnly)+" trigger "+t)
	}
	statements = append(statements, "alter table public.activities "+state(variant == naiveTrigger)+" trigger naive_notify")
	return pgx.BeginFunc(a.lab.ctx, a.lab.conn, func(tx pgx.Tx) error {
		for _, sql := range statements {
			if _, err := tx.Exec(a.lab.ctx, sql); err != nil {
				return fmt.Errorf("put the triggers %s in place: %w", variant, err)
			}
		}
		return nil
	})
}

// tidy vacuums, and writes a checkpoint so that none falls into a measurement, if that is allowed.
func (a *activities) tidy() error {
	if _, err := a.lab.conn.Exec(a.lab.ctx, "vacuum (analyze) public.activities"); err != nil {
		return fmt.Errorf("vacuum the activities: %w", err)
	}
	if _, err := a.lab.conn.Exec(a.lab.ctx, "checkpoint"); err != nil {
		a.lab.notes.add("The role may not CHECKPOINT: one may have fallen into a measurement.")
	}
	return a.lab.ctx.Err()
}

// durability notes the settings on which the figures of writers depend.
func (l *lab) durability() error {
	var text string
	err := l.conn.QueryRow(l.ctx, `
		select string_agg(name || ' = ' || current_setting(name), ', ' order by name)
		from unnest(array['fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size', 'checkpoint_timeout']) as name`).Scan(&text)
	if err != nil {
		return fmt.Errorf("read the server's settings: %w", err)
	}
	l.notes.add("Postgres: %s.", text)
	return nil
}

// writerSettings keep checkpoints out of a measurement on a server of our own.
var writerSettings = map[string]string{"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}

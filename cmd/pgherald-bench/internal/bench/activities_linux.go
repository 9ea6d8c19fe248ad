package bench

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
)

// Variants of the triggers on the activities, as subjects in flags and reports. The variant pgherald has the
// generated triggers.
const (
	noTriggers   = "none"
	naiveTrigger = "naive"  // a NOTIFY with the row, for each row
	smallest     = "row"    // the least that logs each row: a trigger that inserts to_json(new)
	logOnly      = "log"    // the generated triggers without the wake-up
	alwaysNotify = "always" // the generated triggers that do not look whether a server listens
)

// activities is the table of the activities example with exchangeable triggers. The table's own trigger, which sets
// updated_at, stays in all variants.
type activities struct {
	fx        *fixture
	triggers  []string // pgherald's, quoted
	functions []string // definitions of their functions, as generated
	silent    []string // the same without the wake-up
	noisy     []string // the same with a wake-up also where no server listens
}

const naiveSQL = `
create trigger naive_notify
after update on public.activities
for each row execute function public.naive_notify();
`

// smallestSQL is the least that a trigger for each row can do to log an update.
const smallestSQL = `
create function public.smallest() returns trigger
language plpgsql
as $$
begin
    insert into pgherald.events (type, key, data)
    values ('activity_updated', new.id, to_json(new));
    return null;
end
$$;

create trigger smallest
after update on public.activities
for each row execute function public.smallest();
`

// fillSQL inserts activities whose ids and reporters hold their number.
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

// createActivities has a server create the tables and triggers, and fills the table.
func (fx *fixture) createActivities(rows int) (*activities, error) {
	s, err := fx.serve()
	if err != nil {
		return nil, err
	}
	s.stop()
	a := &activities{fx: fx}
	if _, err := fx.conn.Exec(fx.ctx, naiveFunctionSQL+naiveSQL+smallestSQL); err != nil {
		return nil, fmt.Errorf("create the hand-written triggers: %w", err)
	}
	if err := a.load(); err != nil {
		return nil, err
	}
	if err := a.use(noTriggers); err != nil {
		return nil, err
	}
	if _, err := fx.conn.Exec(fx.ctx, fillSQL, rows); err != nil {
		return nil, fmt.Errorf("fill the activities: %w", err)
	}
	return a, a.use(ours)
}

// wakeUp matches the statement of a generated function that sends the wake-up, and the comment before it.
var wakeUp = regexp.MustCompile(`(?m)^(?:    --.*\n)*    if written and .*\n(?:        .*\n)*    then\n(?:        .*\n)*    end if;\n`)

// listeners matches the condition of the wake-up that a server listens: a part of that of no leader.
var listeners = regexp.MustCompile(`\n +and \(case when pg_catalog\.pg_try_advisory_lock\(.*? else true end\)`)

// load reads the triggers and functions that the server has installed.
func (a *activities) load() error {
	rows, err := a.fx.conn.Query(a.fx.ctx, `
		select quote_ident(t.tgname), p.proname::text, pg_catalog.pg_get_functiondef(p.oid)
		from pg_catalog.pg_trigger as t
		join pg_catalog.pg_proc as p on p.oid = t.tgfoid
		where t.tgrelid = 'public.activities'::regclass
			and p.pronamespace = 'pgherald'::regnamespace`)
	if err != nil {
		return fmt.Errorf("query the triggers of the activities: %w", err)
	}
	var trigger, name, definition string
	_, err = pgx.ForEachRow(rows, []any{&trigger, &name, &definition}, func() error {
		a.triggers = append(a.triggers, trigger)
		if name != "public.activities.row" {
			return nil
		}
		silent := wakeUp.ReplaceAllString(definition, "")
		noisy := listeners.ReplaceAllString(definition, "")
		if silent == definition || noisy == definition {
			return errors.New("remove the wake-up or its condition from the trigger's function: its statement has changed, adapt the pattern in activities_linux.go")
		}
		a.functions = append(a.functions, definition)
		a.silent, a.noisy = append(a.silent, silent), append(a.noisy, noisy)
		return nil
	})
	if err == nil && len(a.functions) == 0 {
		err = errors.New("there is no trigger for UPDATE")
	}
	if err != nil {
		return fmt.Errorf("read the triggers of the activities: %w", err)
	}
	return nil
}

// use installs a variant.
func (a *activities) use(variant string) error {
	state := func(on bool) string {
		if on {
			return "enable"
		}
		return "disable"
	}
	functions := a.functions
	switch variant {
	case logOnly:
		functions = a.silent
	case alwaysNotify:
		functions = a.noisy
	}
	statements := append([]string{}, functions...)
	for _, t := range a.triggers {
		statements = append(statements, "alter table public.activities "+state(variant == ours || variant == logOnly || variant == alwaysNotify)+" trigger "+t)
	}
	statements = append(statements, "alter table public.activities "+state(variant == naiveTrigger)+" trigger naive_notify",
		"alter table public.activities "+state(variant == smallest)+" trigger smallest")
	return pgx.BeginFunc(a.fx.ctx, a.fx.conn, func(tx pgx.Tx) error {
		for _, sql := range statements {
			if _, err := tx.Exec(a.fx.ctx, sql); err != nil {
				return fmt.Errorf("install the triggers %s: %w", variant, err)
			}
		}
		return nil
	})
}

// vacuum vacuums the table and, if the role may, writes a checkpoint, so that neither happens during a
// measurement.
func (a *activities) vacuum() error {
	if _, err := a.fx.conn.Exec(a.fx.ctx, "vacuum (analyze) public.activities"); err != nil {
		return fmt.Errorf("vacuum the activities: %w", err)
	}
	if _, err := a.fx.conn.Exec(a.fx.ctx, "checkpoint"); err != nil {
		a.fx.notes.Add("The role may not CHECKPOINT: a checkpoint may have disturbed a measurement.")
	}
	return a.fx.ctx.Err()
}

// noteDurability adds a note with the settings that the figures of writers depend on.
func (fx *fixture) noteDurability() error {
	var text string
	err := fx.conn.QueryRow(fx.ctx, `
		select string_agg(name || ' = ' || current_setting(name), ', ' order by name)
		from unnest(array['fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size', 'checkpoint_timeout']) as name`).Scan(&text)
	if err != nil {
		return fmt.Errorf("read the settings of Postgres: %w", err)
	}
	fx.notes.Add("Postgres: %s.", text)
	return nil
}

// writerSettings keep checkpoints out of the measurements, on a temporary PostgreSQL.
var writerSettings = map[string]string{"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}

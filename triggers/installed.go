package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// errNoLog reports a database without the engine's migrations, errOldEngine one with old ones.
const (
	errNoLog     = constError("find the log pgherald.events: it does not exist" + migrateFirst)
	errOldEngine = constError("take the lock for changing triggers: the table pgherald.locks does not exist" + migrateFirst)
)

// migrateFirst ends the errors of a database without the tables.
const migrateFirst = "; run `pgherald migrate up` first, with --engine-only for a spec of your own"

// errOldTables reports a database whose log is older than this program.
const errOldTables = constError("find the table pgherald.specs: it does not exist" + migrateFirst)

// errNoTables reports a spec that watches nothing.
const errNoTables = constError("watch no table: a spec names at least one; to remove its triggers, run `pgherald drop`")

// constError is an error that no other package can change.
type constError string

func (e constError) Error() string { return string(e) }

// installed holds the trigger functions in the schema pgherald, and all triggers that call them.
type installed struct {
	functions []installedFunction
	triggers  []installedTrigger
	writer    writer
	grants    []granted // the rights that the functions need
	disabled  []disabledCopy
	// silenced reports that every session of the database starts with session_replication_role = replica, in
	// which triggers do not fire.
	silenced bool

	hasSpecs bool // whether the next two have tables: a database with an older log lacks them
	records  []record
	owners   map[string]owner
	// filters holds pgherald.filter_fields, which a database with an older log lacks.
	hasFilters bool
	filters    map[filterKey]uint64
}

type installedFunction struct {
	function
	definer  bool
	plpgsql  bool
	settings []string
	// publicMayExecute reports that every role may execute the function.
	publicMayExecute bool
	owner            string
	// ownerMayWrite reports that the owner of the function may insert into the log.
	ownerMayWrite bool
}

type installedTrigger struct {
	trigger
	name    string
	kind    int16 // pg_trigger.tgtype
	plain   bool  // without arguments, columns, condition, transition tables or constraint
	enabled bool
}

func hasLog(ctx context.Context, tx pgx.Tx) (present bool, err error) {
	// to_regclass needs a right on the schema.
	err = tx.QueryRow(ctx, `
		select exists (
			select from pg_class as c join pg_namespace as s on s.oid = c.relnamespace
			where s.nspname = 'pgherald' and c.relname = 'events'
		)`).Scan(&present)
	if err != nil {
		return false, fmt.Errorf("look for the log pgherald.events: %w", err)
	}
	return present, nil
}

func loadInstalled(ctx context.Context, tx pgx.Tx) (installed, error) {
	present, err := hasLog(ctx, tx)
	if err != nil {
		return installed{}, err
	}
	if !present {
		return installed{}, errNoLog
	}
	var found installed
	if found.functions, err = loadFunctions(ctx, tx); err != nil {
		return installed{}, fmt.Errorf("look up the trigger functions: %w", err)
	}
	if found.writer, err = loadWriter(ctx, tx); err != nil {
		return installed{}, err
	}
	if found.writer.inUse {
		if found.grants, err = loadGrants(ctx, tx); err != nil {
			return installed{}, err
		}
	}
	if found.triggers, err = loadTriggers(ctx, tx); err != nil {
		return installed{}, fmt.Errorf("look up the triggers: %w", err)
	}
	if found.disabled, err = loadDisabledCopies(ctx, tx); err != nil {
		return installed{}, fmt.Errorf("look up the triggers of partitions: %w", err)
	}
	if err := tx.QueryRow(ctx, silencedSQL).Scan(&found.silenced); err != nil {
		return installed{}, fmt.Errorf("look up session_replication_role: %w", err)
	}
	return found, found.loadSpecs(ctx, tx)
}

// silencedSQL looks for a default of all sessions, and not for one of this role. Triggers that are enabled for
// replicas too (A) fire all the same.
const silencedSQL = `
select exists (
		select
		from pg_settings as s
		where s.name = 'session_replication_role' and s.reset_val = 'replica'
			and s.source in ('configuration file', 'command line', 'global', 'database')
	)
	and exists (
		select
		from pg_trigger as t
		join pg_proc as p on p.oid = t.tgfoid
		where p.pronamespace = 'pgherald'::regnamespace and t.tgenabled = 'O'
	)`

func loadFunctions(ctx context.Context, tx pgx.Tx) ([]installedFunction, error) {
	rows, err := tx.Query(ctx, `
		select p.proname::text, p.prosrc, p.prosecdef, l.lanname = 'plpgsql',
			coalesce(p.proconfig, '{}'),
			has_function_privilege('public', p.oid, 'execute'),
			pg_get_userbyid(p.proowner)::text,
			has_column_privilege(p.proowner, 'pgherald.events', 'data', 'insert')
				and has_schema_privilege(p.proowner, 'pgherald', 'usage')
		from pg_proc as p
		join pg_language as l on l.oid = p.prolang
		where p.pronamespace = 'pgherald'::regnamespace
			and p.prorettype = 'trigger'::regtype
			-- Not the functions of triggers on the log itself, which come from migrations.
			and not exists (
				select
				from pg_trigger as t
				join pg_class as c on c.oid = t.tgrelid
				where t.tgfoid = p.oid and c.relnamespace = p.pronamespace
			)
		order by p.proname`)
	if err != nil {
		return nil, err
	}
	var functions []installedFunction
	var f installedFunction
	targets := []any{&f.name, &f.body, &f.definer, &f.plpgsql, &f.settings, &f.publicMayExecute, &f.owner, &f.ownerMayWrite}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		functions = append(functions, f)
		f.settings = nil // or the next row would overwrite this slice
		return nil
	})
	return functions, err
}

func loadTriggers(ctx context.Context, tx pgx.Tx) ([]installedTrigger, error) {
	rows, err := tx.Query(ctx, `
		select s.nspname::text, c.relname::text, t.tgname::text, p.proname::text, t.tgtype,
			t.tgnargs = 0 and t.tgqual is null and t.tgattr::text = ''
				and t.tgoldtable is null and t.tgnewtable is null and t.tgconstraint = 0,
			t.tgenabled in ('O', 'A')
		from pg_trigger as t
		join pg_proc as p on p.oid = t.tgfoid
		join pg_class as c on c.oid = t.tgrelid
		join pg_namespace as s on s.oid = c.relnamespace
		where p.pronamespace = 'pgherald'::regnamespace
			and c.relnamespace <> p.pronamespace -- the log's own triggers come from migrations
			and t.tgparentid = 0 -- PostgreSQL keeps the copies on partitions itself
		order by s.nspname, c.relname, t.tgname`)
	if err != nil {
		return nil, err
	}
	var triggers []installedTrigger
	var t installedTrigger
	targets := []any{
		&t.table.Schema, &t.table.Table, &t.name, &t.function, &t.kind, &t.plain, &t.enabled,
	}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		triggers = append(triggers, t)
		return nil
	})
	return triggers, err
}

// same reports whether an installed function equals the wanted one.
func (f installedFunction) same(want function) bool {
	if f.body != want.body || !f.definer || !f.plpgsql || len(f.settings) != len(want.settings) {
		return false
	}
	for i, s := range want.settings {
		if f.settings[i] != s.stored() {
			return false
		}
	}
	return true
}

// same reports whether an installed trigger, enabled or not, equals the wanted one.
func (t installedTrigger) same(want trigger) bool {
	return t.plain && t.function == want.function && t.kind == want.kind()
}

// kind returns pg_trigger.tgtype, the bits of a trigger.
func (t trigger) kind() int16 {
	bits := map[string]int16{opInsert: 1 << 2, opDelete: 1 << 3, opUpdate: 1 << 4, opTruncate: 1 << 5}
	var kind int16
	for _, op := range t.ops {
		kind |= bits[op]
	}
	if t.isRow() {
		kind |= 1 << 0
	}
	if t.before {
		kind |= 1 << 1
	}
	return kind
}

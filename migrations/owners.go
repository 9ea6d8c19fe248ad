package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// writerRole owns the functions that run with the rights of their owner: see after/engine.sql.
const writerRole = "pgherald_writer"

// trustedSQL is a condition on a role r: code of its objects may run with the rights of the connected role. A
// superuser is a member of every role, so for it membership says nothing.
const trustedSQL = `(
    r.rolname = current_user
    or r.rolsuper
    or not (select me.rolsuper from pg_catalog.pg_roles as me where me.rolname = current_user)
        and pg_catalog.pg_has_role(r.oid, 'usage')
)`

// foreignSchemaSQL finds a schema pgherald that another role made, perhaps in advance.
const foreignSchemaSQL = `
select pg_catalog.format(
    'the schema pgherald belongs to %I, whose code would run with the rights of %I: connect as %1$I',
    r.rolname, current_user
)
from pg_catalog.pg_namespace as s
join pg_catalog.pg_roles as r on r.oid = s.nspowner
where s.nspname = 'pgherald' and not ` + trustedSQL

// foreignObjectsSQL finds objects of others inside the schema pgherald: tables, functions other than those of
// triggers and list_rows, and whatever runs when we use our tables.
const foreignObjectsSQL = `
select pg_catalog.format('the relation pgherald.%I belongs to %I, and the schema to another role: drop it or change its owner', c.relname, r.rolname)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as s on s.oid = c.relnamespace
join pg_catalog.pg_roles as r on r.oid = c.relowner
where s.nspname = 'pgherald' and c.relowner <> s.nspowner and not ` + trustedSQL + `
union all
select pg_catalog.format('the function pgherald.%I belongs to %I, and the schema to another role: drop it or change its owner', p.proname, r.rolname)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as s on s.oid = p.pronamespace
join pg_catalog.pg_roles as r on r.oid = p.proowner
where
    s.nspname = 'pgherald'
    and p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
    and p.proowner <> s.nspowner
    and not (p.proname = 'list_rows' and r.rolname = '` + writerRole + `')
    and not ` + trustedSQL + `
union all
select pg_catalog.format('the trigger %I on pgherald.%I is not of pgherald: drop it', t.tgname, c.relname)
from pg_catalog.pg_trigger as t
join pg_catalog.pg_class as c on c.oid = t.tgrelid
join pg_catalog.pg_namespace as s on s.oid = c.relnamespace
join pg_catalog.pg_proc as p on p.oid = t.tgfoid
where s.nspname = 'pgherald' and not t.tgisinternal and p.pronamespace <> s.oid
union all
select pg_catalog.format('the rule %I on pgherald.%I is not of pgherald: drop it', w.rulename, c.relname)
from pg_catalog.pg_rewrite as w
join pg_catalog.pg_class as c on c.oid = w.ev_class
join pg_catalog.pg_namespace as s on s.oid = c.relnamespace
where s.nspname = 'pgherald' and c.relkind <> 'v'
order by 1`

// checkForeign returns an error if the schema pgherald has objects of others, which a statement of ours would
// run. A change of the schema (strict) and a superuser also need an owner of the schema that they can trust. A
// server with few rights trusts the owner of the log that it serves.
func checkForeign(ctx context.Context, tx pgx.Tx, strict bool) error {
	var problems []error
	queries := []string{foreignObjectsSQL}
	if !strict {
		super, err := isTrue(ctx, tx, `select rolsuper from pg_catalog.pg_roles where rolname = current_user`)
		if err != nil {
			return fmt.Errorf("look up the connected role: %w", err)
		}
		strict = super
	}
	if strict {
		queries = append(queries, foreignSchemaSQL)
	}
	for _, sql := range queries {
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return fmt.Errorf("look up the owners in the schema pgherald: %w", err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("look up the owners in the schema pgherald: %w", err)
		}
		for _, text := range found {
			problems = append(problems, errors.New(text))
		}
	}
	return errors.Join(problems...)
}

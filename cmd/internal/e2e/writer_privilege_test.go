package e2e

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/db/pgtest"
)

// newRole creates a role that may log in, and returns its quoted name and the database's URL for it.
func newRole(t *testing.T, owner *pgx.Conn, databaseURL string) (name, roleURL string) {
	t.Helper()
	name = owner.Config().Database + "_writer" // roles belong to the cluster: each database has its own
	quoted := pgx.Identifier{name}.Sanitize()
	pgtest.Exec(t, owner, `create role `+quoted+` login`)
	t.Cleanup(func() {
		pgtest.Exec(t, owner, `drop owned by `+quoted+` cascade`)
		pgtest.Exec(t, owner, `drop role `+quoted)
	})
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(name)
	return quoted, u.String()
}

// forbidden are statements that a role with rights on the activities' tables alone must not run.
var forbidden = map[string]string{
	"read events":          `select from pgherald.events`,
	"count events":         `select count(*) from pgherald.events`,
	"forge an event":       `insert into pgherald.events (type, data) values ('activity_created', '{}')`,
	"change events":        `update pgherald.events set type = 'forged'`,
	"delete events":        `delete from pgherald.events`,
	"truncate events":      `truncate pgherald.events`,
	"copy events":          `copy pgherald.events to stdout`,
	"read the log's row":   `select from pgherald.log`,
	"prune":                `update pgherald.log set pruned_below = '999999999'`,
	"lock the log":         `do $$ begin lock table pgherald.events in access share mode; end $$`,
	"draw an id":           `select nextval('pgherald.events_id_seq')`,
	"call a function":      `select pgherald."public.activities.row"()`,
	"reset a table":        `select pgherald.reset_collection('public.activities', null, '22012')`,
	"replace a function":   `create or replace function pgherald."public.activities.row"() returns trigger language plpgsql as 'begin return null; end'`,
	"grant to itself":      `grant usage on schema pgherald to current_user`,
	"drop a trigger":       `do $$ declare n text; begin select tgname into n from pg_trigger where tgrelid = 'public.activities'::regclass and tgname like '%pgherald%'; execute format('drop trigger %I on public.activities', n); end $$`,
	"switch triggers off":  `alter table public.activities disable trigger all`,
	"become a replica":     `set session_replication_role = replica`,
	"borrow a function":    `create trigger mine after insert on own.activities for each row execute function pgherald."public.activities.row"()`,
	"hide by a constraint": `alter table public.activities add column forged text`,
	"inherit the log":      `create table own.events () inherits (pgherald.events)`,
	"look through a view":  `create view own.peek as select * from pgherald.events`,
	"make in the schema":   `create table pgherald.mine ()`,
}

// TestWriterNeedsOnlyItsTables writes as a role with rights on the activities' tables alone. Its writes cause
// events, and it can neither read nor change the log.
func TestWriterNeedsOnlyItsTables(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	databaseURL := pgtest.EmptyDatabase(t)
	owner := pgtest.Connect(t, databaseURL)
	n := newNode(databaseURL)
	startNodes(ctx, t, n)
	defer n.end(t)
	role, roleURL := newRole(t, owner, databaseURL)
	pgtest.Exec(t, owner, `grant select, insert, update, delete, truncate on public.activities, public.assignments, public.activity_updates to `+role)
	pgtest.Exec(t, owner, `create schema own authorization `+role)
	writer := pgtest.Connect(t, roleURL)
	pgtest.Exec(t, writer, `create table own.activities (like public.activities)`)

	frames := openFrames(ctx, t, n)
	pgtest.Exec(t, writer, `insert into public.activities (id, category, subcategory, location, reporter) values ($1, 'c', 's', 'l', 'r')`, rowID(1))
	checkActivity(t, frames.last(t), "activity_created", rowID(1))
	for name, sql := range forbidden {
		t.Run(name, func(t *testing.T) { checkDenied(ctx, t, writer, sql) })
	}
	pgtest.Exec(t, writer, `insert into public.assignments (activity_id, assignee_id) values ($1, 'ann')`, rowID(1))
	checkActivity(t, frames.inner(t), "assignment_changed", rowID(1))
	checkActivity(t, frames.last(t), "activity_updated", rowID(1))
	pgtest.Exec(t, writer, `insert into public.activity_updates (activity_id, author_id, notes) values ($1, 'ann', 'n')`, rowID(1))
	checkActivity(t, frames.last(t), "activity_updated", rowID(1))
	pgtest.Psql(t, roleURL, `update public.activities set status = 'closed'`)
	checkActivity(t, frames.last(t), "activity_updated", rowID(1))
	pgtest.Exec(t, writer, `delete from public.activities`)
	checkActivity(t, frames.last(t), "activity_deleted", rowID(1))
}

// checkDenied runs a statement, which must fail for lack of a privilege.
func checkDenied(ctx context.Context, t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(ctx, sql)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != pgerrcode.InsufficientPrivilege {
		t.Errorf("%s: %v, want insufficient_privilege", sql, err)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// workload is a table of counters: each write to a row adds one, so a row's events have to come
// as 1, 2, 3, whatever pgherald thinks of their order.
type workload struct {
	spec    string   // of the watched table; empty: the activities
	setup   []string // commands of pgherald that make the table, or
	ddl     string   // SQL that does
	updated string   // the type of an update's event

	insert, bump, idle, remove, state string
}

// counters is a table of the user's own.
func counters() workload {
	return workload{
		spec: `
tables:
  - name: public.rows
    payload: { id: n.id, counter: n.counter, txid: pg_current_xact_id()::text }
    on: { insert: row_inserted, update: row_updated, delete: row_deleted }
`,
		ddl:     `create table public.rows (id uuid primary key, counter int not null)`,
		updated: "row_updated",
		insert:  `insert into public.rows (id, counter) values ($1, $2)`,
		bump: `
update public.rows set counter = counter + 1
where id in (select id from public.rows where id = any($1) order by id for update)`,
		idle:   `update public.rows set counter = counter where id = any($1)`,
		remove: `delete from public.rows where id = any($1)`,
		state:  `select id::text, counter from public.rows`,
	}
}

// activityCounters has its counters in a column of pgherald's own workload.
func activityCounters() workload {
	return workload{
		setup:   []string{"migrate", "up"},
		updated: "activity_updated",
		insert: `
insert into public.activities (id, category, subcategory, location, reporter)
values ($1, 'counter', $2::int::text, 'here', 'e2e')`,
		bump: `
update public.activities set subcategory = (subcategory::int + 1)::text
where id in (select id from public.activities where id = any($1) order by id for update)`,
		idle:   `update public.activities set subcategory = subcategory where id = any($1)`,
		remove: `delete from public.activities where id = any($1)`,
		state:  `select id::text, subcategory::int from public.activities`,
	}
}

// counted is what an event says of a counter.
type counted struct {
	id      string
	counter int
	deleted bool
	txid    string // empty where the payload has none
}

func decode(e streamtest.Envelope) (counted, error) {
	var d struct {
		ID, Subcategory, TxID string
		Counter               int
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return counted{}, fmt.Errorf("decode %s %s: %w", e.Type, e.Data, err)
	}
	c := counted{id: d.ID, counter: d.Counter, txid: d.TxID}
	c.deleted = e.Type == "row_deleted" || e.Type == "activity_deleted"
	if d.Subcategory != "" {
		var err error
		if c.counter, err = strconv.Atoi(d.Subcategory); err != nil {
			return counted{}, fmt.Errorf("decode %s %s: %w", e.Type, e.Data, err)
		}
	}
	return c, nil
}

// journalDDL is where writers say how many events a transaction is going to have. Nobody watches
// it, so what it says of a transaction is independent of the code under test: there is a line if
// the transaction committed, and none if not.
const journalDDL = `create table public.journal (xid xid8 primary key, updated int not null, other int not null)`

// prepare makes the tables, and rows that nobody is owed events of.
func (w workload) prepare(t testing.TB, databaseURL string, ids []string) {
	t.Helper()
	conn := pgtest.Connect(t, databaseURL)
	if w.ddl != "" {
		pgtest.Exec(t, conn, w.ddl)
	}
	if w.setup != nil {
		var out syncBuffer
		if code := run(t.Context(), append(w.setup, "--database-url="+databaseURL), &out, &out); code != 0 {
			t.Fatalf("pgherald %v: exit code %d\n%s", w.setup, code, out.String())
		}
	}
	pgtest.Exec(t, conn, journalDDL)
	for _, id := range ids {
		pgtest.Exec(t, conn, w.insert, id, 0)
	}
}

// rowID returns the id of row n, so that ids are in the order of n.
func rowID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

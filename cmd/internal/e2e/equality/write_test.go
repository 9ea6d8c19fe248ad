package equality_test

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// begin fills the tables, so that the random numbers of this script alone decide what follows.
func (w *world) begin() {
	w.Helper()
	w.exec(w.main, "delete from public.items; delete from public.parts; delete from public.tasks")
	for id := range 6 {
		w.exec(w.main, fmt.Sprintf("insert into public.items values (%d, %s)", id, w.literals(itemColumns)))
	}
	w.exec(w.main, fmt.Sprintf("insert into public.parts values (%s, 1, 1, null), (%s, 2, null, '2026-01-01')", w.literal("parts", "region"), w.literal("parts", "region")))
}

// write does a step of the writers: a transaction, beside which another one may be open or end.
func (w *world) write() {
	w.Helper()
	if w.open && w.rng.IntN(3) == 0 {
		w.endOther()
	}
	if !w.open && w.rng.IntN(6) == 0 {
		w.open = true
		w.exec(w.other, "begin")
		w.exec(w.other, w.statement(20))
	}
	end := "commit"
	if w.rng.IntN(12) == 0 {
		end = "rollback"
	}
	w.exec(w.main, "begin")
	for range 1 + w.rng.IntN(4) {
		if w.rng.IntN(6) == 0 {
			w.exec(w.main, "savepoint s")
			w.exec(w.main, w.statement(0))
			w.exec(w.main, []string{"rollback to s", "release s"}[w.rng.IntN(2)])
			continue
		}
		w.exec(w.main, w.statement(0))
	}
	if w.open && w.rng.IntN(3) == 0 { // while main has not committed
		w.exec(w.other, w.statement(20))
	}
	w.exec(w.main, end)
}

func (w *world) endOther() {
	w.Helper()
	if w.open {
		w.exec(w.other, []string{"commit", "commit", "rollback"}[w.rng.IntN(3)])
		w.open = false
	}
}

func (w *world) exec(conn *pgx.Conn, sql string) {
	w.Helper()
	who := "main: "
	if conn == w.other {
		who = "other: "
	}
	w.script = append(w.script, fmt.Sprintf("%d %s%s", w.step, who, sql))
	if _, err := conn.Exec(w.ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		w.Fatalf("seed %d: %v, after\n%s", w.seed, err, strings.Join(w.script, "\n"))
	}
}

// statement returns a random write. The two writers use different keys, from the given one on, so that none waits for the
// other.
func (w *world) statement(from int) string {
	switch w.rng.IntN(6) {
	case 0:
		return w.partsStatement(from)
	case 1:
		return w.tasksStatement(from)
	}
	id := func() int { return from + w.rng.IntN(8) }
	mine := fmt.Sprintf("id >= %d and id < %d", from, from+20)
	switch w.rng.IntN(20) {
	case 0, 1, 2:
		return fmt.Sprintf("insert into public.items select %d, %s on conflict do nothing", id(), w.literals(itemColumns))
	case 3, 4, 5:
		set := w.assignments(1 + w.rng.IntN(3))
		return fmt.Sprintf("insert into public.items select %d, %s on conflict (id) do update set %s", id(), w.literals(itemColumns), set)
	case 6:
		return fmt.Sprintf("insert into public.items select g, %s from generate_series(%d, %d) g on conflict do nothing", w.literals(itemColumns), from, from+5)
	case 7, 8, 9, 10, 11:
		return fmt.Sprintf("update public.items set %s where id = %d", w.assignments(1+w.rng.IntN(3)), id())
	case 12, 13:
		_, meaning := w.comparison("items")
		return fmt.Sprintf("update public.items n set %s where %s and %s", w.assignments(1), mine, meaning)
	case 14:
		to := id()
		return fmt.Sprintf("update public.items set id = %d, %s where id = %d and not exists (select from public.items where id = %d)", to, w.assignments(1), id(), to)
	case 15, 16:
		return fmt.Sprintf("delete from public.items where id = %d", id())
	case 17:
		_, meaning := w.comparison("items")
		return fmt.Sprintf("delete from public.items n where %s and %s", mine, meaning)
	case 18:
		return fmt.Sprintf("update public.items set status = status, n = n where %s", mine)
	}
	if !w.open && from == 0 && w.rng.IntN(3) == 0 {
		return "truncate public.items"
	}
	return fmt.Sprintf("with a as (update public.items set %s where id = %d) delete from public.items where id = %d", w.assignments(1), from+1, from+2)
}

// partsStatement returns a random write to the table that is partitioned.
func (w *world) partsStatement(from int) string {
	id, region := from+w.rng.IntN(4), w.literal("parts", "region")
	switch w.rng.IntN(8) {
	case 0, 1, 2:
		return fmt.Sprintf("insert into public.parts values (%s, %d, %s, %s) on conflict do nothing", region, id, w.literal("parts", "size"), w.literal("parts", "day"))
	case 3:
		return fmt.Sprintf("delete from public.parts where id = %d", id)
	case 4: // to another partition, perhaps
		return fmt.Sprintf("update public.parts p set region = %s where id = %d and region = (select min(region) from public.parts where id = %d) and not exists (select from public.parts where id = %d and region = %s)",
			region, id, id, id, region)
	case 5:
		return fmt.Sprintf("update public.parts set size = coalesce(size, 0) + 1 where id >= %d and id < %d", from, from+20)
	}
	return fmt.Sprintf("update public.parts set size = %s, day = %s where id = %d", w.literal("parts", "size"), w.literal("parts", "day"), id)
}

// tasksStatement returns a random write to the table whose events show a part of the row.
func (w *world) tasksStatement(from int) string {
	id, state, n, tags := from+w.rng.IntN(5), w.literal("tasks", "state"), w.literal("tasks", "n"), w.literal("tasks", "tags")
	switch w.rng.IntN(8) {
	case 0, 1, 2:
		return fmt.Sprintf("insert into public.tasks values (%d, %s, %s, 'secret', %s) on conflict (id) do update set state = excluded.state", id, state, n, tags)
	case 3, 4:
		return fmt.Sprintf("update public.tasks set state = %s, n = %s where id = %d", state, n, id)
	case 5:
		return fmt.Sprintf("update public.tasks set tags = %s, secret = secret || 'x' where id = %d", tags, id)
	case 6:
		return fmt.Sprintf("update public.tasks set id = %d where id = %d and not exists (select from public.tasks where id = %d)", id, from+w.rng.IntN(5), id)
	}
	return fmt.Sprintf("delete from public.tasks where id = %d", id)
}

var itemColumns = []string{"status", "mood", "n", "total", "due", "yes", "note", "tags"}

func (w *world) assignments(n int) string {
	var sets []string
	for _, i := range w.rng.Perm(len(itemColumns))[:n] {
		sets = append(sets, itemColumns[i]+" = "+w.literal("items", itemColumns[i]))
	}
	return strings.Join(sets, ", ")
}

func (w *world) literals(columns []string) string {
	var texts []string
	for _, c := range columns {
		texts = append(texts, w.literal("items", c))
	}
	return strings.Join(texts, ", ")
}

// literal returns a random value of a column as SQL. Half of the values are few, so that rows move all the time.
func (w *world) literal(table, column string) string {
	if w.rng.IntN(8) == 0 && column != "region" {
		return "null"
	}
	switch column {
	case "note":
		if w.hasLong && w.rng.IntN(4) == 0 {
			return "repeat('long ', 200)"
		}
		return []string{"'short'", "'s\\\"p\u2028ecial'"}[w.rng.IntN(2)]
	case "tags":
		return []string{"'{*}'", "'{*}'", "'{*}'", "'{*,a}'", "'{a}'", "'{b}'", "'{a,b}'", "'{c,d,a}'", "'{}'"}[w.rng.IntN(9)] + "::text[]"
	}
	values := fields[table][column]
	v := values[w.rng.IntN(len(values))]
	return "'" + strings.ReplaceAll(v, "'", "''") + "'" + "::" + sqlTypes[column]
}

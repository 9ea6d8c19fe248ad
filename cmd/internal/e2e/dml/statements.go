package dml

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// write runs a statement and returns the number of rows that it changed.
type write func(ctx context.Context, t *Table) (rows int64, err error)

// small and large say when a table needs rows, and when it has enough.
const (
	small = 6
	large = 400
)

// choose picks a kind of statement for a table with that many rows.
func (w *Writer) choose(count int) (string, write) {
	n := w.Rand.IntN(100)
	switch {
	case count < small && n < 70, n < 10:
		return "insert", w.insert
	case n < 18:
		return "copy of rows", w.insertCopies
	case n < 22:
		return "COPY", w.copyIn
	case n < 26:
		return "on conflict", w.upsert
	case n < 29:
		return "merge", w.merge
	case n < 33:
		return "CTE", w.moveInCTE
	case n < 40:
		return "key update", w.updateKeys
	case n < 50 && count > small, count >= large && n < 60:
		return "delete", w.delete
	case n == 99 && w.Rand.IntN(8) == 0:
		return "truncate", w.truncate
	}
	return "update", w.update
}

func (w *Writer) exec(ctx context.Context, sql string) (int64, error) {
	tag, err := w.Conn.Exec(ctx, sql)
	if err != nil {
		return 0, fmt.Errorf("%.2000s: %w", sql, err)
	}
	return tag.RowsAffected(), nil
}

// insert inserts up to five new rows.
func (w *Writer) insert(ctx context.Context, t *Table) (int64, error) {
	columns, rows, err := w.newRows(ctx, t, 1+w.Rand.IntN(5))
	if err != nil {
		return 0, err
	}
	return w.exec(ctx, fmt.Sprintf(`insert into %s %s`, t.SQL, t.values(columns, rows)))
}

// insertCopies inserts copies of existing rows with new values in unique columns.
func (w *Writer) insertCopies(ctx context.Context, t *Table) (int64, error) {
	rows, err := w.sample(ctx, t, 1+w.Rand.IntN(3))
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	columns := t.settable()
	for _, row := range rows {
		for _, i := range columns {
			if c := &t.Columns[i]; c.unique {
				row[i] = freshValue(w.Rand, c, w.Serial.Add(1))
			}
		}
	}
	return w.exec(ctx, fmt.Sprintf(`insert into %s %s`, t.SQL, t.values(columns, rows)))
}

// copyIn inserts new rows with COPY.
func (w *Writer) copyIn(ctx context.Context, t *Table) (int64, error) {
	columns, rows, err := w.newRows(ctx, t, 1+w.Rand.IntN(20))
	if err != nil || len(columns) == 0 {
		return 0, err
	}
	var text strings.Builder
	for _, row := range rows {
		fields := make([]string, len(columns))
		for k, i := range columns {
			fields[k] = row[i].copyText()
		}
		text.WriteString(strings.Join(fields, "\t") + "\n")
	}
	tag, err := w.Conn.PgConn().CopyFrom(ctx, strings.NewReader(text.String()), fmt.Sprintf(`copy %s (%s) from stdin`, t.SQL, t.names(columns)))
	return tag.RowsAffected(), err
}

// upsert inserts rows, some with the keys of existing ones, which it updates.
func (w *Writer) upsert(ctx context.Context, t *Table) (int64, error) {
	if len(t.Key) == 0 || t.Columns[t.Key[0]].generated {
		return w.insert(ctx, t)
	}
	columns, rows, err := w.mixedRows(ctx, t)
	if err != nil {
		return 0, err
	}
	set := t.mapped(t.others(), "%[1]s = excluded.%[1]s")
	action := "update set " + set
	if set == "" || w.Rand.IntN(6) == 0 {
		action = "nothing"
	}
	return w.exec(ctx, fmt.Sprintf(`insert into %s %s on conflict (%s) do %s`, t.SQL, t.values(columns, rows), t.names(t.Key), action))
}

// merge updates, deletes and inserts rows in one statement.
func (w *Writer) merge(ctx context.Context, t *Table) (int64, error) {
	columns, rows, err := w.mixedRows(ctx, t)
	isFixed := func(i int) bool { return t.Columns[i].generated }
	if err != nil || len(t.Key) == 0 || slices.ContainsFunc(t.Key, isFixed) || w.Conn.PgConn().ParameterStatus("server_version") < "15" {
		return 0, err
	}
	tuples := make([]string, len(rows))
	for i, row := range rows {
		tuples[i] = t.tuple(columns, row)
	}
	matched := "delete"
	if set := t.mapped(t.others(), "%[1]s = s.%[1]s"); set != "" && w.Rand.IntN(3) > 0 {
		matched = "update set " + set
	}
	return w.exec(ctx, fmt.Sprintf(`merge into %s as t using (values %s) as s (%s) on (%s) when matched then %s when not matched then insert (%s) values (%s)`,
		t.SQL, strings.Join(tuples, ", "), t.names(columns), strings.ReplaceAll(t.mapped(t.Key, "t.%[1]s = s.%[1]s"), ", t.", " and t."), matched, t.names(columns), t.mapped(columns, "s.%s")))
}

// update changes up to three columns of rows that it finds by key or by a value.
func (w *Writer) update(ctx context.Context, t *Table) (int64, error) {
	candidates := t.others()
	if len(candidates) == 0 {
		return w.updateKeys(ctx, t)
	}
	w.Rand.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
	set, err := w.assignments(ctx, t, candidates[:1+w.Rand.IntN(min(3, len(candidates)))])
	if err != nil {
		return 0, err
	}
	where, err := w.some(ctx, t)
	if err != nil || where == "" {
		return 0, err
	}
	return w.exec(ctx, fmt.Sprintf(`update %s set %s where %s`, t.SQL, strings.Join(set, ", "), where))
}

// updateKeys gives a row another key.
func (w *Writer) updateKeys(ctx context.Context, t *Table) (int64, error) {
	rows, err := w.sample(ctx, t, 1)
	if err != nil || len(rows) == 0 || len(t.Key) == 0 {
		return 0, err
	}
	i := t.Key[w.Rand.IntN(len(t.Key))]
	c := &t.Columns[i]
	if c.generated {
		return 0, nil
	}
	return w.exec(ctx, fmt.Sprintf(`update %s set %s = %s where %s`, t.SQL, c.SQL, freshValue(w.Rand, c, w.Serial.Add(1)).literal(c), t.hasKey(rows)))
}

// delete deletes a few rows.
func (w *Writer) delete(ctx context.Context, t *Table) (int64, error) {
	where, err := w.some(ctx, t)
	if err != nil || where == "" {
		return 0, err
	}
	return w.exec(ctx, fmt.Sprintf(`delete from %s where %s`, t.SQL, where))
}

// moveInCTE deletes rows and inserts them again with other keys or values in one statement, or updates rows of two tables.
func (w *Writer) moveInCTE(ctx context.Context, t *Table) (int64, error) {
	rows, err := w.sample(ctx, t, 2)
	if err != nil || len(rows) == 0 || len(t.Key) == 0 {
		return 0, err
	}
	columns := t.settable()
	selected := make([]string, len(columns))
	for k, i := range columns {
		c := &t.Columns[i]
		if selected[k] = c.SQL; c.unique || w.Rand.IntN(4) == 0 {
			selected[k] = freshValue(w.Rand, c, w.Serial.Add(1)).literal(c)
		}
	}
	return w.exec(ctx, fmt.Sprintf(`with gone as (delete from %s where %s returning *) insert into %s (%s) select %s from gone limit 1`,
		t.SQL, t.hasKey(rows), t.SQL, t.names(columns), strings.Join(selected, ", ")))
}

// truncate empties a table, which few statements do.
func (w *Writer) truncate(ctx context.Context, t *Table) (int64, error) {
	if t.referenced && w.Rand.IntN(4) > 0 {
		return 0, nil
	}
	if _, err := w.exec(ctx, `truncate `+t.SQL+` cascade`); err != nil {
		return 0, err
	}
	return 1, nil
}

package dml

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// row holds a value for each column of a table.
type row []value

// sampled bounds the rows among which writers choose, so that large tables cost no more than small ones.
const sampled = 300

// sample returns random rows of a table.
func (w *Writer) sample(ctx context.Context, t *Table, n int) ([]row, error) {
	texts := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		texts[i] = c.SQL + "::text"
	}
	return w.readRows(ctx, fmt.Sprintf(`select array[%s]::text[] from (select * from %s limit %d) as s order by random() limit %d`,
		strings.Join(texts, ", "), t.SQL, sampled, n))
}

// readRows runs a query for arrays of texts.
func (w *Writer) readRows(ctx context.Context, sql string) ([]row, error) {
	found, _ := w.Conn.Query(ctx, sql)
	arrays, err := pgx.CollectRows(found, pgx.RowTo[[]*string])
	if err != nil {
		return nil, fmt.Errorf("%.500s: %w", sql, err)
	}
	rows := make([]row, len(arrays))
	for k, array := range arrays {
		rows[k] = make(row, len(array))
		for i, text := range array {
			if text != nil {
				rows[k][i] = of(*text)
			}
		}
	}
	return rows, nil
}

// newRows returns new rows and the columns to set: sometimes defaults set the others.
func (w *Writer) newRows(ctx context.Context, t *Table, n int) (columns []int, rows []row, err error) {
	columns = slices.DeleteFunc(t.settable(), func(i int) bool { return t.Columns[i].defaults && w.Rand.IntN(2) == 0 })
	for range n {
		r := make(row, len(t.Columns))
		for _, i := range columns {
			c := &t.Columns[i]
			if r[i] = anyValue(w.Rand, c); c.unique {
				r[i] = freshValue(w.Rand, c, w.Serial.Add(1))
			}
		}
		if err := w.setParents(ctx, t, r); err != nil {
			return nil, nil, err
		}
		rows = append(rows, r)
	}
	return columns, rows, nil
}

// setParents gives the columns of foreign keys the values of existing parents.
func (w *Writer) setParents(ctx context.Context, t *Table, r row) error {
	for _, f := range t.foreign {
		if w.Rand.IntN(10) == 0 {
			continue
		}
		parents, err := w.readRows(ctx, fmt.Sprintf(`select array[%s]::text[] from (select * from %s limit %d) as s order by random() limit 1`,
			strings.Join(f.refs, "::text, ")+"::text", f.parent, sampled))
		if err != nil {
			return err
		}
		for k, i := range f.columns {
			if len(parents) > 0 {
				r[i] = parents[0][k]
			} else if t.Columns[i].nullable {
				r[i] = value{}
			}
		}
	}
	return nil
}

// mixedRows returns new rows, of which some have the keys of existing ones.
func (w *Writer) mixedRows(ctx context.Context, t *Table) ([]int, []row, error) {
	_, rows, err := w.newRows(ctx, t, 1+w.Rand.IntN(4))
	if err != nil {
		return nil, nil, err
	}
	existing, err := w.sample(ctx, t, 2)
	if err != nil {
		return nil, nil, err
	}
	for k, r := range rows {
		for i := range t.Columns {
			c := &t.Columns[i]
			if !r[i].given && !c.nullable { // a default that these statements cannot name
				r[i] = freshValue(w.Rand, c, w.Serial.Add(1))
			}
			if k < len(existing) && slices.Contains(t.Key, i) {
				r[i] = existing[k][i]
			}
		}
	}
	return t.settable(), rows, nil
}

// assignments returns new values for columns: those of other rows, so that filters match often, nulls and limits.
func (w *Writer) assignments(ctx context.Context, t *Table, columns []int) ([]string, error) {
	donors, err := w.sample(ctx, t, 1)
	if err != nil {
		return nil, err
	}
	with := make(row, len(t.Columns))
	for _, i := range columns {
		if with[i] = anyValue(w.Rand, &t.Columns[i]); len(donors) > 0 && w.Rand.IntN(2) == 0 {
			with[i] = donors[0][i]
		}
	}
	if w.Rand.IntN(3) > 0 {
		isNull := slices.Clone(with)
		if err := w.setParents(ctx, t, isNull); err != nil {
			return nil, err
		}
		for _, i := range columns {
			with[i] = isNull[i]
		}
	}
	set := make([]string, len(columns))
	for k, i := range columns {
		set[k] = t.Columns[i].SQL + " = " + with[i].literal(&t.Columns[i])
	}
	return set, nil
}

// some returns a condition for a few rows: those with sampled keys, or those with a value.
func (w *Writer) some(ctx context.Context, t *Table) (string, error) {
	rows, err := w.sample(ctx, t, 1+w.Rand.IntN(4))
	if err != nil || len(rows) == 0 || len(t.Columns) == 0 {
		return "", err
	}
	if len(t.Key) > 0 && w.Rand.IntN(3) > 0 {
		return t.hasKey(rows), nil
	}
	i := w.Rand.IntN(len(t.Columns))
	c := &t.Columns[i]
	condition := c.SQL + " = " + rows[0][i].literal(c)
	if !rows[0][i].given {
		condition = c.SQL + " is null"
	}
	if len(t.Key) == 0 {
		return fmt.Sprintf(`ctid in (select ctid from %s where %s limit 20)`, t.SQL, condition), nil
	}
	return fmt.Sprintf(`(%s) in (select %[1]s from %s where %s limit 20)`, t.names(t.Key), t.SQL, condition), nil
}

package dml

import (
	"fmt"
	"slices"
	"strings"
)

// settable returns the columns that writers may set.
func (t *Table) settable() []int {
	var columns []int
	for i, c := range t.Columns {
		if !c.generated {
			columns = append(columns, i)
		}
	}
	return columns
}

// others returns the settable columns outside the key.
func (t *Table) others() []int {
	return slices.DeleteFunc(t.settable(), func(i int) bool { return slices.Contains(t.Key, i) })
}

// mapped returns the columns, each in a format whose argument is its name.
func (t *Table) mapped(columns []int, format string) string {
	parts := make([]string, len(columns))
	for k, i := range columns {
		parts[k] = fmt.Sprintf(format, t.Columns[i].SQL)
	}
	return strings.Join(parts, ", ")
}

func (t *Table) names(columns []int) string { return t.mapped(columns, "%s") }

// values returns the columns and rows of an INSERT.
func (t *Table) values(columns []int, rows []row) string {
	if len(columns) == 0 {
		return "default values"
	}
	tuples := make([]string, len(rows))
	for k, r := range rows {
		tuples[k] = t.tuple(columns, r)
	}
	return fmt.Sprintf("(%s) values %s", t.names(columns), strings.Join(tuples, ", "))
}

func (t *Table) tuple(columns []int, r row) string {
	literals := make([]string, len(columns))
	for k, i := range columns {
		literals[k] = r[i].literal(&t.Columns[i])
	}
	return "(" + strings.Join(literals, ", ") + ")"
}

// hasKey returns a condition that selects rows by their keys.
func (t *Table) hasKey(rows []row) string {
	tuples := make([]string, len(rows))
	for k, r := range rows {
		tuples[k] = t.tuple(t.Key, r)
	}
	return fmt.Sprintf("(%s) in (%s)", t.names(t.Key), strings.Join(tuples, ", "))
}

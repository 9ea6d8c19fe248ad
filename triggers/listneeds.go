package triggers

import (
	"slices"
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// columnNeed is the right to read one column of a table.
func columnNeed(table, column string) need {
	return need{needTable, table + " (" + quoteIdent(column) + ")"}
}

// column returns the table and the column of a columnNeed.
func (n need) column() (table, column string, ok bool) {
	_, rest, err := parseIdent(n.object)
	if err != nil || n.kind != needTable || !strings.HasPrefix(rest, ".") {
		return "", "", false
	}
	_, rest, err = parseIdent(rest[1:])
	if err != nil || !strings.HasPrefix(rest, " (") {
		return "", "", false
	}
	column, _, err = parseIdent(rest[2:])
	return strings.TrimSuffix(n.object, rest), column, err == nil
}

// listNeeds returns what lists of a collection read of its table.
func (r resolved) listNeeds() []need {
	if r.table.Collection == "" {
		return nil
	}
	var needs []need
	fields, _ := r.table.filterFields(r.rel)
	for _, f := range fields {
		// A list compares an enum with a value of its type, in whose schema it looks for the type.
		if _, rest, err := parseIdent(f.base); f.kind == collection.Enum && err == nil && strings.HasPrefix(rest, ".") {
			needs = append(needs, need{needSchema, strings.TrimSuffix(f.base, rest)})
		}
	}
	table := r.rel.schema + "." + r.rel.table
	columns := r.table.listColumns(r.rel)
	if len(columns) == len(r.rel.columns) {
		return append(needs, need{needTable, table})
	}
	for _, c := range columns {
		needs = append(needs, columnNeed(table, c))
	}
	return needs
}

// addListNeeds adds what lists read to the needs of the function for rows: lists have none of their own.
func (r resolved) addListNeeds(all map[string][]need) {
	if r.table.Collection == "" {
		return
	}
	name := functionName(r.table.Name, opRow)
	all[name] = append(slices.Clone(all[name]), r.listNeeds()...)
}

// listColumns returns the columns of the table that a row, its key and its audience may look at.
func (t Table) listColumns(rel relation) []string {
	texts := []string{t.Update[0].Audience, joinsSQL(t.Joins)}
	used := slices.Clone(rel.key)
	for _, f := range t.rowFields(rel) {
		if column, ok := fieldColumn(f, rel); ok {
			used = append(used, column)
		} else {
			texts = append(texts, f.SQL)
		}
	}
	used = append(used, columnsIn(strings.Join(texts, " "), rel)...)
	return slices.DeleteFunc(slices.Clone(rel.columns), func(c string) bool { return !slices.Contains(used, c) })
}

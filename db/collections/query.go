package collections

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// statements are queries for pgherald.list_rows, which runs one after the other, and their parameters.
type statements struct {
	queries []string
	params  collection.Params
	// isFast says that they are to run without the bounds of pgherald.list_rows.
	isFast bool
}

// columns returns the select list of a query: a text, a json and a text, and between the last two the number of bytes
// for pgherald.list_rows without bounds.
func (s *statements) columns(key, data, values string) string {
	if s.isFast {
		data += ",\n    null::pg_catalog.int8"
	}
	return "select\n" + key + ",\n" + data + ",\n" + values
}

func newStatements() *statements {
	return &statements{params: collection.Params{Name: func(k int) string { return "($1)[" + strconv.Itoa(k) + "]" }}}
}

// statements returns statements that begin with the settings of the trigger function, so that rows read as in events.
func (l *list) statements(isFast bool) *statements {
	s := newStatements()
	s.isFast = isFast
	var calls []string
	for i := 0; i < len(l.settings); i += 2 {
		calls = append(calls, "\n    pg_catalog.set_config("+s.params.Add(l.settings[i])+", "+s.params.Add(l.settings[i+1])+", true)")
	}
	if calls != nil {
		none := s.columns("    null::pg_catalog.text", "    null::pg_catalog.json", "    null::pg_catalog.text")
		s.queries = []string{none + "\nwhere pg_catalog.num_nonnulls(" + strings.Join(calls, ",") + "\n) operator(pg_catalog.=) 0"}
	}
	return s
}

// list is a collection that can be read.
type list struct {
	Source
	key      []keyColumn
	settings []string // of the trigger function: names and values, by turns
	others   string   // an oid[] of tables whose rows are not in the list, although the table has them; or empty

	careful     atomic.Int32 // further pages that are read within bounds, see readPage
	lastCareful atomic.Int32 // how many these were at first, after a page that PostgreSQL could not read without bounds
}

// order returns the total order of a list: what the client wants, then the key.
func (l *list) order(wanted collection.Order) collection.Order {
	order := slices.Clone(wanted)
	desc := len(wanted) > 0 && wanted[len(wanted)-1].Desc // one direction, so that one index serves
	for _, k := range l.key {
		if term := k.term(desc); !slices.ContainsFunc(wanted, func(t collection.Term) bool { return t.SQL == term.SQL }) {
			order = append(order, term)
		}
	}
	return order
}

// page returns the statements for rows after a position, which is nil for the first page.
func (l *list) page(q listing.Query, position []*string, isFast bool) *statements {
	s := l.statements(isFast)
	order := l.order(q.Order)
	limit := s.params.Add(strconv.Itoa(q.Limit+1)) + "::pg_catalog.int8" // one more tells that there is another page
	common := l.selected(s, q)
	for _, after := range split(order, position, &s.params) {
		s.queries = append(s.queries, l.sql(s, order, slices.Concat(common, after))+"order by "+order.SQL()+"\nlimit "+limit)
	}
	return s
}

// split returns the conditions for rows after a position, as those of queries that follow each other. An index can be
// searched for each of them, although the first term may be null: for their alternative, none can.
func split(order collection.Order, position []*string, p *collection.Params) [][]string {
	if position == nil {
		return [][]string{nil}
	}
	first := order[0]
	if !first.Nullable {
		return [][]string{{order.After(position, p)}}
	}
	if position[0] != nil {
		known := slices.Clone(order)
		known[0].Nullable = false
		conditions := [][]string{{known.After(position, p)}}
		if !first.Desc {
			conditions = append(conditions, []string{first.SQL + " is null"})
		}
		return conditions
	}
	conditions := [][]string{{first.SQL + " is null", order[1:].After(position[1:], p)}}
	if first.Desc {
		conditions = append(conditions, []string{first.SQL + " is not null"})
	}
	return conditions
}

// count returns the statement that counts the rows of all pages. The count comes in place of a value of the order.
func (l *list) count(q listing.Query) *statements {
	s := l.statements(false)
	what := "*"
	if l.hasJoins() {
		what = "distinct " + l.KeySQL
	}
	sql := "select\n    null,\n    null,\n    array[pg_catalog.count(" + what + ")]::pg_catalog.text\nfrom " + l.From + "\n" + where(l.selected(s, q))
	s.queries = append(s.queries, sql)
	return s
}

// selected returns the conditions for the rows that the client wants and may see.
func (l *list) selected(s *statements, q listing.Query) []string {
	conditions := l.own(s)
	if q.Where != nil {
		conditions = append(conditions, "("+q.Where.SQL(&s.params)+")")
	}
	return append(conditions, l.audible(s, q.Grants)...)
}

// own returns the conditions for rows that belong to the collection.
func (l *list) own(s *statements) []string {
	if l.others == "" {
		return nil
	}
	return []string{"n.tableoid operator(pg_catalog.<>) all (" + s.params.Add(l.others) + "::pg_catalog.oid[])"}
}

// audible returns the conditions for rows that a client with these grants may see. As in a stream, an expression that
// yields null shows the row to no client.
func (l *list) audible(s *statements, grants []string) []string {
	if l.Audience == "" {
		return nil
	}
	tags := s.params.Add(arrayText(append([]string{stream.Everyone}, grants...))) + "::pg_catalog.text[]"
	audience := "(\n" + l.Audience + "\n)"
	// Tags are equal if their bytes are, whatever the collation of the expression says.
	exact := audience + `::pg_catalog.text[] collate pg_catalog."C" operator(pg_catalog.&&) ` + tags
	if strings.HasPrefix(l.Audience, "n.") { // a column, whose index can be searched with its own collation only
		return []string{audience + " operator(pg_catalog.&&) " + tags, exact}
	}
	return []string{exact}
}

// sql returns the query up to its order.
func (l *list) sql(s *statements, order collection.Order, conditions []string) string {
	values := make([]string, len(order))
	for i, t := range order {
		values[i] = "(" + t.SQL + ")::pg_catalog.text"
	}
	data := "pg_catalog.to_json(n.*)"
	if l.RowSQL != "" {
		data = "(\n        select pg_catalog.to_json(payload.*)\n        from (\n" + l.RowSQL + "\n        ) as payload\n    )"
	}
	all := "array[" + strings.Join(values, ", ") + "]::pg_catalog.text[]::pg_catalog.text"
	return s.columns(late(l.KeySQL), late(data), late(all)) + "\nfrom " + l.From + "\n" + where(conditions)
}

// late returns SQL that PostgreSQL computes for the rows of a page only. Without a volatile function, it computes the
// data of all rows before it sorts them.
func late(sql string) string {
	return "    case when pg_catalog.clock_timestamp() is not null then " + sql + ended(sql) + " end"
}

func where(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return "where\n    " + strings.Join(conditions, "\n    and ") + "\n"
}

// ended returns what ends SQL that more follows: a comment at its end would hide that.
func ended(sql string) string {
	if strings.Contains(sql, "--") {
		return "\n"
	}
	return ""
}

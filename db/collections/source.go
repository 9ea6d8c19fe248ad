package collections

import (
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// Source is a collection, with the SQL that reads it. The SQL is over the table n and what it is joined with.
type Source struct {
	collection.Collection
	From     string // such as "public.orders as n", then the joins, one a line
	KeySQL   string // the key, a text
	RowSQL   string // a SELECT of the members of a row, without a FROM clause; empty for all columns of n
	Audience string // text[]; empty if every client may read all rows
}

// hasJoins reports whether a row of the table may come several times, or not at all.
func (s *Source) hasJoins() bool { return strings.Contains(s.From, "\n") }

// keyColumn is a column of a key.
type keyColumn struct {
	column string // as SQL over n
	// sqlType is the type of the column, or what that is a domain of.
	sqlType string
	// equals is the equality operator that the index of the key supports.
	equals string
	// isForeign says that the type is neither PostgreSQL's nor derived from its types: then its order is known to its
	// index only.
	isForeign bool
}

// term returns the column as a part of an order. The values of a foreign type are ordered by their texts.
func (k keyColumn) term(desc bool) collection.Term {
	if k.isForeign {
		return collection.Term{SQL: k.column + `::pg_catalog.text collate pg_catalog."C"`, Type: "pg_catalog.text", Desc: desc}
	}
	return collection.Term{SQL: k.column, Type: k.sqlType, Desc: desc}
}

// splitName returns schema and name of a table as the catalog spells them. Of U&"" names, it reads those that package
// triggers writes.
func splitName(sql string) (schema, table string) {
	schema, rest := readName(sql)
	table, _ = readName(strings.TrimPrefix(rest, "."))
	return schema, table
}

func readName(sql string) (name, rest string) {
	quoted, isUnicode := strings.CutPrefix(sql, "U&")
	inside, isQuoted := strings.CutPrefix(quoted, `"`)
	if !isQuoted {
		end := strings.IndexByte(sql+".", '.')
		return sql[:end], sql[end:]
	}
	for i := 0; i < len(inside); i++ {
		if inside[i] != '"' {
			continue
		}
		if i+1 < len(inside) && inside[i+1] == '"' {
			i++
			continue
		}
		name, rest = strings.ReplaceAll(inside[:i], `""`, `"`), inside[i+1:]
		break
	}
	if isUnicode {
		name = strings.NewReplacer(`\\`, `\`, `\000A`, "\n", `\000D`, "\r").Replace(name)
	}
	return name, rest
}

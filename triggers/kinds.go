package triggers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
)

// columnType describes a column for clients and their filters.
type columnType struct {
	name    string // with its modifier, as PostgreSQL writes it
	notNull bool
	json    string   // see collection.Field.JSONType
	labels  []string // of an enum, in its order
	// kind is how its values compare. If it is empty, reason says why the column cannot be filtered.
	kind   collection.Kind
	reason string
	// base is the type under the domains, as SQL.
	base string
}

// column describes a column of a table.
func (ts types) column(c columnEntry) columnType {
	base := ts.base(c.typeOID)
	described := columnType{name: c.typeName, notNull: c.notNull, json: ts.jsonType(c.typeOID), labels: base.labels, base: base.sqlName}
	kind, reason := ts.kind(c.typeOID)
	switch {
	case c.isVirtual:
		kind, reason = "", "it is a virtual generated column, which a trigger cannot read"
	case kind == collection.Text && !c.isOrdered:
		kind, reason = "", "its collation finds different texts equal"
	}
	described.kind, described.reason = kind, reason
	return described
}

// base returns the type under the domains of a type.
func (ts types) base(oid uint32) typeInfo {
	t := ts[oid]
	for t.kind == "d" && len(t.parts) == 1 {
		t = ts[t.parts[0]]
	}
	return t
}

// jsonType returns the type whose JSON the values of a type have, empty if that is not known.
func (ts types) jsonType(oid uint32) string {
	t, ok := ts[oid]
	switch {
	case !ok || t.custom:
		return ""
	case t.kind == "d" && len(t.parts) == 1:
		return ts.jsonType(t.parts[0])
	case t.array && len(t.parts) == 1:
		if element := ts.jsonType(t.parts[0]); element != "" {
			return element + "[]"
		}
		return ""
	case t.kind == "c":
		return "record"
	case t.builtin:
		return t.name
	}
	return "text" // to_json quotes what it does not know
}

// kind returns how the values of a type compare, or why it is none by which clients can filter: the server compares
// values as PostgreSQL does, so each value needs one spelling in JSON and one meaning.
func (ts types) kind(oid uint32) (kind collection.Kind, reason string) {
	t := ts[oid]
	switch {
	case t.custom:
		return "", "a cast of its own decides what its values look like in JSON"
	case t.kind == "d" && len(t.parts) == 1:
		return ts.kind(t.parts[0])
	case t.kind == "e":
		return collection.Enum, ""
	case t.array:
		return "", "it is an array"
	case !t.builtin:
		return "", fmt.Sprintf("its type %s is not one of PostgreSQL's own, and may find different texts equal", t.name)
	}
	return builtinKind(t.name)
}

// builtinKind returns the kind of a type of PostgreSQL's own.
func builtinKind(name string) (kind collection.Kind, reason string) {
	switch name {
	case "text", "varchar":
		return collection.Text, ""
	case "bool":
		return collection.Boolean, ""
	case "int2", "int4", "int8":
		return collection.Integer, ""
	case "numeric":
		return collection.Numeric, ""
	case "uuid":
		return collection.UUID, ""
	case "date":
		return collection.Date, ""
	case "timestamp":
		return collection.Timestamp, ""
	case "timestamptz":
		return collection.Timestamptz, ""
	case "bpchar":
		return "", "its type char(n) ignores spaces at the end: use text"
	case "float4", "float8":
		return "", "its type is a float, whose values are not exact: use numeric"
	case "json", "jsonb":
		return "", "its type is " + name + ": store what clients filter by in a column of its own"
	}
	return "", "its type is " + name
}

// filterField is a field by which clients may filter.
type filterField struct {
	Field
	column string
	columnType
}

// filterFields returns the filter fields of a collection, and an error for each field of the spec that cannot be one.
func (t Table) filterFields(rel relation) (fields []filterField, mistakes []error) {
	for _, f := range t.rowFields(rel) {
		if !t.FilterAll && !slices.Contains(t.Filter, f.Name) {
			continue
		}
		column, ok := fieldColumn(f, rel)
		described, known := rel.types[column]
		switch {
		case ok && known && described.kind != "":
			fields = append(fields, filterField{f, column, described})
		case t.FilterAll:
		case !ok:
			mistakes = append(mistakes, notPlain(f.Name))
		case known:
			mistakes = append(mistakes, fmt.Errorf("filter: clients cannot filter by %q: %s; leave it out of filter", f.Name, described.reason))
		}
	}
	for _, name := range t.Filter {
		if _, ok := findField(t.rowFields(rel), name); !ok {
			mistakes = append(mistakes, fmt.Errorf("filter: the row has no field %q", name))
		}
	}
	return fields, mistakes
}

// rowFields returns the fields of a collection's rows, as the events show them.
func (t Table) rowFields(rel relation) []Field {
	if len(t.Update) == 0 {
		return nil
	}
	payload := t.withBigints(rel).Update[0].Payload
	if len(payload) == 0 {
		payload = columnFields(rel.columns)
	}
	if len(t.Row) == 0 {
		return payload
	}
	var row []Field
	for _, name := range t.Row {
		if f, ok := findField(payload, name); ok {
			row = append(row, f)
		}
	}
	return row
}

// fieldColumn returns the column of n that a field shows, also as the text of a bigint.
func fieldColumn(f Field, rel relation) (string, bool) {
	sql, isText := strings.CutSuffix(f.SQL, "::pg_catalog.text")
	row, column, ok := plainColumn(sql)
	return column, ok && row == "n" && (!isText || rel.bigints[column] == "pg_catalog.text")
}

// nameFilters replaces "all filter fields" by their names.
func nameFilters(ctx context.Context, tx pgx.Tx, spec Spec) error {
	cat, err := loadCatalog(ctx, tx, spec)
	if err != nil {
		return err
	}
	for i, t := range spec.Tables {
		if t.Collection == "" || !t.FilterAll {
			continue
		}
		rel, err := cat.loadRelation(ctx, tx, t)
		if err != nil {
			continue // another function reports it
		}
		for _, f := range t.rowFields(rel) {
			column, ok := fieldColumn(f, rel)
			switch described := rel.types[column]; {
			case !ok:
			case described.kind != "":
				t.Filter = append(t.Filter, f.Name)
			default:
				t.unfiltered = append(t.unfiltered, fmt.Sprintf("%s (%s)", quoteIdent(f.Name), described.reason))
			}
		}
		t.FilterAll = false
		spec.Tables[i] = t
	}
	return nil
}

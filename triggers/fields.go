package triggers

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/collection"
)

// unknownType stands for the type of an expression that this role may not look at.
const unknownType = "unknown"

// newField describes a field that shows a column of n. Of another field it says the name alone.
func newField(f Field, rel relation) collection.Field {
	field := collection.Field{Name: f.Name, Nullable: true}
	if column, ok := fieldColumn(f, rel); ok {
		described := rel.types[column]
		field.Type, field.Nullable, field.Labels = described.name, !described.notNull, described.labels
		if field.JSONType = described.json; strings.HasSuffix(f.SQL, "::pg_catalog.text") {
			field.JSONType = "text"
		}
	}
	return field
}

// describeFields completes the types of the fields that are expressions, in the scope of a FROM clause. PostgreSQL parses
// them, and does not run them.
func describeFields(ctx context.Context, tx pgx.Tx, fields []collection.Field, payload []Field, from string) error {
	var list []string
	var places []int
	for i, f := range fields {
		if f.Type == "" {
			places = append(places, i)
			list = append(list, "(\n"+payload[i].SQL+"\n)")
			fields[i].Type = unknownType
		}
	}
	if len(list) == 0 {
		return nil
	}
	if hasBracketLiteral(append(list, from)...) {
		if foreign, err := foreignDomain(ctx, tx, Name{}, true); err != nil || foreign != nil {
			return err
		}
	}
	described, err := prepare(ctx, tx, restoreLineBreaks("select "+strings.Join(list, ", ")+"\nfrom "+from))
	if err != nil || described == nil {
		return err
	}
	oids, modifiers := make([]uint32, len(places)), make([]int32, len(places))
	for i, f := range described.Fields {
		oids[i], modifiers[i] = f.DataTypeOID, f.TypeModifier
	}
	rows, err := tx.Query(ctx, `
		select format_type(t.oid, nullif(t.modifier, -1)),
			case when y.typnamespace = 'pg_catalog'::regnamespace then format_type(t.oid, null) else '' end
		from unnest($1::oid[], $2::int[]) with ordinality as t (oid, modifier, place)
		join pg_type as y on y.oid = t.oid
		order by t.place`, oids, modifiers)
	if err != nil {
		return err
	}
	var name, jsonType string
	_, err = pgx.ForEachRow(rows, []any{&name, &jsonType}, func() error {
		fields[places[0]].Type, fields[places[0]].JSONType = name, jsonType
		places = places[1:]
		return nil
	})
	return err
}

// nullRow generates a row of nulls with the columns of a table. Unlike a cast to the table's type, it needs no right on the
// table's schema.
func nullRow(rel relation) string {
	columns := make([]string, len(rel.columns))
	for i, c := range rel.columns {
		columns[i] = "null::" + rel.types[c].name + " as " + quoteIdent(c)
	}
	return "(select " + strings.Join(columns, ", ") + ")"
}

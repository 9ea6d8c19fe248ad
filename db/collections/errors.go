package collections

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/listing"
)

// explain returns the error of a page with its kind.
func (l *Lists) explain(ctx context.Context, from *list, q listing.Query, position []*string, err error) error {
	e, code := from.explain(err)
	switch {
	case e == nil || e.Kind != listing.Broken:
	case position != nil && l.isUnreadable(ctx, typed(termTypes(from.order(q.Order)), position)):
		e.Kind = listing.BadPosition
	case q.Where != nil && (code == "22P02" || isUnreadableCode(code) && l.isUnreadable(ctx, whereTexts(q.Where))):
		e.Kind = listing.BadValue
	case isUnreadableCode(code): // a key, or a value of the order: rows alone would have come
		e.Kind, e.Remedy = listing.Unreadable, unreadableRemedy
	}
	if e == nil {
		return fmt.Errorf("read the collection %s: %w", from.Name, err)
	}
	return e
}

// explainRow returns the error of a single row with its kind. No row has a key that its type does not read.
func (l *Lists) explainRow(ctx context.Context, from *list, key string, err error) error {
	e, code := from.explain(err)
	if e == nil {
		return fmt.Errorf("read the collection %s: %w", from.Name, err)
	}
	e.Key = key
	if e.Kind != listing.Broken {
		return e
	}
	types := make([]string, len(from.key))
	for i, k := range from.key {
		types[i] = k.sqlType
	}
	if values, ok := from.keyValues(key); ok && l.isUnreadable(ctx, typed(types, values)) {
		return &listing.Error{Kind: listing.NoRow, Collection: from.Name, Key: key}
	}
	if isUnreadableCode(code) {
		e.Kind, e.Remedy = listing.Unreadable, unreadableRemedy
	}
	return e
}

const unreadableRemedy = "correct the text of the row, which has no equivalent in UTF-8"

func termTypes(order collection.Order) []string {
	types := make([]string, len(order))
	for i, t := range order {
		types[i] = t.Type
	}
	return types
}

// typedValue is a value, and the type as which PostgreSQL is to read it.
type typedValue struct{ sqlType, value string }

// typed pairs types with values. It leaves out nulls.
func typed(types []string, values []*string) (pairs []typedValue) {
	for i, v := range values {
		if v != nil {
			pairs = append(pairs, typedValue{types[i], *v})
		}
	}
	return pairs
}

// whereTexts returns the values of a filter as texts: the encoding of the database may lack a character of them. The rows
// may have one that UTF-8 lacks, which has the same SQLSTATE.
func whereTexts(w *collection.Where) (pairs []typedValue) {
	var params collection.Params
	w.SQL(&params)
	for _, v := range params.Values {
		pairs = append(pairs, typedValue{"pg_catalog.text", v})
	}
	return pairs
}

// isUnreadable reports whether PostgreSQL cannot read one of the values as its type.
func (l *Lists) isUnreadable(ctx context.Context, values []typedValue) bool {
	_, err := l.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := first(ctx, tx, parsed(values), 0)
		return err
	})
	var pg *pgconn.PgError
	return errors.As(err, &pg) && isDataError(pg.Code)
}

func isDataError(code string) bool {
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}

// explain returns the kind of an error of PostgreSQL, and its SQLSTATE. It returns nil for an error that says nothing
// about the collection.
func (l *list) explain(err error) (e *listing.Error, code string) {
	if errors.As(err, &e) {
		return e, ""
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return nil, ""
	}
	e = &listing.Error{Collection: l.Name, Cause: err}
	var counting *countError
	switch code = pg.Code; {
	case code == "57014" && errors.As(err, &counting):
		e.Kind = listing.SlowCount
	case code == "57014":
		e.Kind = listing.SlowList
	case code == "42501":
		e.Kind, e.Remedy = listing.NoRight, l.missingRight(pg)
	case code == "42883" && strings.Contains(pg.Message, "list_rows"), code == "3F000":
		e.Kind, e.Remedy = listing.Changed, "the tables of pgherald are not complete: run pgherald migrate up"
	case strings.HasPrefix(code, "42"):
		e.Kind, e.Remedy = listing.Changed, "table "+l.Table+" has changed: run pgherald apply"
	case isBroken(code):
		e.Kind, e.Remedy = listing.Broken, "the SQL of the spec fails for a row of table "+l.Table
	default:
		return nil, code
	}
	return e, code
}

// isBroken reports whether SQL of the spec, or a function that it calls, raised an error.
func isBroken(code string) bool {
	if isDataError(code) || code == "25006" || code == "P0001" { // it writes; it raises an exception
		return true
	}
	for _, class := range []string{"21", "2F", "38", "39", "54"} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

// missingRight says what an operator can do about a lost right.
func (l *list) missingRight(pg *pgconn.PgError) string {
	switch {
	case strings.Contains(pg.Message, "altered the function"), strings.Contains(pg.Message, "permission denied to set"):
		return "as a superuser, run: alter function pgherald.list_rows security definer reset role reset session_authorization"
	case strings.Contains(pg.Message, "list_rows"):
		return "run as the owner of the schema pgherald: grant execute on function pgherald.list_rows to the role of this server"
	case strings.Contains(pg.Message, "row-level security"):
		return "as a superuser, run: alter role pgherald_writer bypassrls"
	}
	schema, table := splitName(l.Table)
	return "run pgherald apply, or as the owner of the table: grant usage on schema " + pgx.Identifier{schema}.Sanitize() +
		" to pgherald_writer; grant select on table " + pgx.Identifier{schema, table}.Sanitize() + " to pgherald_writer"
}

package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Validation happens in two steps, and neither executes anything. First PostgreSQL parses every expression by
// itself: an error names the table and the field, and an expression cannot affect the SQL around it. Then
// PostgreSQL parses each whole statement of the triggers.
//
// PostgreSQL must not plan them: the planner computes what is constant, with rows of nulls as n and o most of it. An
// owner of a watched table can put a cast or an operator on a column's type, whose function would run here, with
// the rights of the role that applies the triggers.

// validator collects the errors of PostgreSQL about the expressions of one table.
type validator struct {
	tx    pgx.Tx
	table Table
	from  string // the FROM clause with the rows n and o, and the joins checked so far
	// checked holds the expressions already checked: an inherited one is reported once.
	checked map[string]bool
	errs    []error
	// undecided reports that a right or a lock was missing: the next expression would fail in the same way.
	undecided bool
}

// validateTable returns the mistakes in the expressions of a table. err reports that the validation itself failed.
func validateTable(ctx context.Context, tx pgx.Tx, t Table, rel relation) ([]error, error) {
	if foreign, err := checkLiterals(ctx, tx, t); err != nil || foreign != nil {
		if foreign == nil {
			return nil, err
		}
		return []error{fmt.Errorf("table %s: %w", t.Name, foreign)}, nil
	}
	v := &validator{tx: tx, table: t, checked: map[string]bool{}}
	row := "(select " + readable(rel) + " from (select (null::" + rel.name.String() + ").*) as r)"
	v.from = "from " + row + " as n\ncross join " + row + " as o\n"
	if err := v.joins(ctx); err != nil || len(v.errs) > 0 {
		return v.errs, err
	}
	for _, op := range []string{opInsert, opUpdate, opDelete} {
		for _, event := range t.events(op) {
			if err := v.event(ctx, op, event, rel); err != nil {
				return v.errs, err
			}
		}
	}
	if len(v.errs) > 0 || t.isPlain(rel) { // columns that exist can always be shown
		return v.errs, nil
	}
	return v.errs, v.statements(ctx, rel)
}

// readable returns a SELECT list of the columns that a trigger can read.
func readable(rel relation) string {
	if len(rel.virtual) == 0 {
		return "*"
	}
	names := make([]string, len(rel.columns))
	for i, c := range rel.columns {
		names[i] = quoteIdent(c)
	}
	return strings.Join(names, ", ")
}

// joins checks each join together with the joins before it, and adds it to the scope.
func (v *validator) joins(ctx context.Context) error {
	for _, j := range v.table.Joins {
		from := v.from + joinsSQL([]Join{j})
		// The trailing cross join is a syntax error after a WHERE, which a join must not contain.
		if err := v.describe(ctx, "join "+j.SQL, "select 1\n"+restoreLineBreaks(from)+"cross join (select) as rest", 0); err != nil || len(v.errs) > 0 {
			return err
		}
		v.from = from
	}
	return nil
}

func (v *validator) event(ctx context.Context, op string, e Event, rel relation) error {
	where := "on " + op + " " + e.Type + ", "
	if len(e.Payload) == 0 && len(rel.virtual) > 0 {
		v.errs = append(v.errs, fmt.Errorf("table %s, %spayload: a trigger cannot read the virtual generated column %s, so name the fields of the payload",
			v.table.Name, where, quoteIdent(rel.virtual[0])))
	}
	if e.Key != "" {
		if err := v.expr(ctx, where+"key", restoreLineBreaks(embed(e.Key))+"::text", pgtype.TextOID); err != nil {
			return err
		}
	}
	if err := v.expr(ctx, where+"when", e.When, pgtype.BoolOID); err != nil {
		return err
	}
	if err := v.expr(ctx, where+"audience", e.Audience, pgtype.TextArrayOID); err != nil {
		return err
	}
	for _, f := range e.Payload {
		if rel.hasColumn(f.SQL) {
			continue
		}
		if err := v.expr(ctx, fmt.Sprintf("%spayload field %q", where, f.Name), f.SQL, 0); err != nil {
			return err
		}
	}
	return nil
}

// hasColumn reports whether an expression is a column of n or o that a trigger can read. The check of the whole statement
// is enough for it: a table with a hundred columns would need hundreds of round trips otherwise.
func (rel relation) hasColumn(expr string) bool {
	_, column, ok := plainColumn(expr)
	return ok && slices.Contains(rel.columns, column)
}

// expr checks one expression and its type. The query also uses it in a WHERE, where PostgreSQL allows no
// aggregate, no window function and no function that returns a set.
func (v *validator) expr(ctx context.Context, what, expr string, want uint32) error {
	known := strconv.Itoa(int(want)) + expr
	if expr == "" || v.checked[known] {
		return nil
	}
	v.checked[known] = true
	sql := fmt.Sprintf("select (\n%s\n)\n%swhere (\n%s\n) is null", expr, restoreLineBreaks(v.from), expr)
	return v.describe(ctx, what, sql, want)
}

// describe lets PostgreSQL parse a query with one column. The column must have the wanted type, unless that
// is 0.
func (v *validator) describe(ctx context.Context, what, sql string, want uint32) error {
	return v.inSavepoint(ctx, what, func(tx pgx.Tx) error {
		described, err := tx.Conn().PgConn().Prepare(ctx, "", sql, nil)
		if err != nil {
			return err
		}
		if len(described.Fields) != 1 || len(described.ParamOIDs) > 0 {
			return errNotOneValue
		}
		if got := described.Fields[0].DataTypeOID; want != 0 && got != want {
			return typeError{want, got}
		}
		return nil
	})
}

// prepare lets PostgreSQL parse a query. It returns nil if that is not possible for this role, or not now.
func prepare(ctx context.Context, tx pgx.Tx, sql string) (described *pgconn.StatementDescription, err error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	described, err = tx.Conn().PgConn().Prepare(ctx, "", sql, nil)
	if rollback := savepoint.Rollback(ctx); rollback != nil {
		return nil, errors.Join(err, rollback)
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return nil, nil
	}
	return described, err
}

// statements lets PostgreSQL parse the statements of the triggers, with rows of nulls as n and o.
func (v *validator) statements(ctx context.Context, rel relation) error {
	for _, op := range []string{opInsert, opUpdate, opDelete} {
		for _, event := range v.table.events(op) {
			event.Type = "" // events that differ in nothing else need one look
			sql := insertEvent(rel, event, v.from)
			if v.checked[sql] {
				continue
			}
			v.checked[sql] = true
			if err := v.statement(ctx, op, sql); err != nil {
				return err
			}
		}
	}
	if v.table.Truncate.Type == "" {
		return nil
	}
	return v.statement(ctx, opTruncate, truncatedTable(v.table, rel.name))
}

func (v *validator) statement(ctx context.Context, op, sql string) error {
	return v.inSavepoint(ctx, "on "+op, func(tx pgx.Tx) error {
		_, err := tx.Conn().PgConn().Prepare(ctx, "", restoreLineBreaks(sql), nil)
		return err
	})
}

// inSavepoint runs one check in a savepoint, so that the next one can run after a mistake.
func (v *validator) inSavepoint(ctx context.Context, what string, check func(pgx.Tx) error) error {
	if v.undecided {
		return nil
	}
	savepoint, err := v.tx.Begin(ctx)
	if err != nil {
		return err
	}
	checkErr := check(savepoint)
	if err := savepoint.Rollback(ctx); err != nil {
		return errors.Join(checkErr, err)
	}
	var pgErr *pgconn.PgError
	var typeErr typeError
	switch {
	case checkErr == nil:
	case errors.As(checkErr, &pgErr):
		v.undecided = isUndecided(checkErr)
		v.errs = append(v.errs, fmt.Errorf("table %s, %s: %w", v.table.Name, what, postgresError{pgErr}))
	case errors.Is(checkErr, errNotOneValue) || errors.As(checkErr, &typeErr):
		v.errs = append(v.errs, fmt.Errorf("table %s, %s: %w", v.table.Name, what, checkErr))
	default:
		return checkErr
	}
	return nil
}

// errNotOneValue reports an expression with several values or with a parameter.
const errNotOneValue = constError("read expression: it must be one value, without parameters")

// typeError reports an expression of the wrong type.
type typeError struct {
	want, got uint32 // oids
}

func (e typeError) Error() string {
	m := pgtype.NewMap()
	got := fmt.Sprintf("the type with oid %d", e.got)
	if t, ok := m.TypeForOID(e.got); ok {
		got = sqlType(t.Name)
	}
	want := "text"
	if t, ok := m.TypeForOID(e.want); ok {
		want = sqlType(t.Name)
	}
	return fmt.Sprintf("read expression: it is %s, and must be %s", got, want)
}

// sqlType returns the usual SQL name of a type that pgx knows.
func sqlType(name string) string {
	switch {
	case name == "bool":
		return "boolean"
	case name != "" && name[0] == '_':
		return name[1:] + "[]"
	}
	return name
}

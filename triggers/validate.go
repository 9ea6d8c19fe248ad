package triggers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Every expression is put to Postgres by itself before it is built into anything, so that a mistake
// is told with its table and field, and so that it cannot reach out of its place. Then the whole
// statement is planned, as the trigger would. Nothing is executed.

// validator collects what Postgres says about the expressions of one table.
type validator struct {
	tx    pgx.Tx
	table Table
	from  string
	// seen keeps an expression that events inherit from being told more than once.
	seen map[string]bool
	errs []error
}

// validate returns what is wrong with the tables, and as an error what kept it from finding out.
func validate(ctx context.Context, tx pgx.Tx, spec Spec, relations []relation) (wrong []error, err error) {
	for i, t := range spec.Tables {
		found, err := validateTable(ctx, tx, t, relations[i])
		if err != nil {
			return nil, fmt.Errorf("validate table %s: %w", t.Name, err)
		}
		wrong = append(wrong, found...)
	}
	return wrong, nil
}

func validateTable(ctx context.Context, tx pgx.Tx, t Table, rel relation) ([]error, error) {
	v := &validator{tx: tx, table: t, seen: map[string]bool{}}
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
	if len(v.errs) > 0 {
		return v.errs, nil
	}
	return v.errs, v.statements(ctx, rel)
}

// readable lists the columns that a trigger can read, if they are not all.
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

// joins checks each join together with those before it, and leaves them all in scope.
func (v *validator) joins(ctx context.Context) error {
	for _, j := range v.table.Joins {
		from := v.from + joinsSQL([]Join{j})
		// The last line would not parse after a WHERE or the like.
		if err := v.ask(ctx, "join "+j.SQL, "select 1\n"+release(from)+"cross join (select) as rest", 0); err != nil || len(v.errs) > 0 {
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
		if err := v.expr(ctx, where+"key", release(embed(e.Key))+"::text", pgtype.TextOID); err != nil {
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
		if err := v.expr(ctx, fmt.Sprintf("%spayload field %q", where, f.Name), f.SQL, 0); err != nil {
			return err
		}
	}
	return nil
}

// expr checks one expression and its type. It is asked for in a WHERE too, where Postgres allows
// no aggregate, no window function and no function that returns several rows.
func (v *validator) expr(ctx context.Context, what, expr string, want uint32) error {
	known := strconv.Itoa(int(want)) + expr
	if expr == "" || v.seen[known] {
		return nil
	}
	v.seen[known] = true
	sql := fmt.Sprintf("select (\n%s\n)\n%swhere (\n%s\n) is null", expr, release(v.from), expr)
	return v.ask(ctx, what, sql, want)
}

// ask has Postgres parse a query of one column, of the type wanted if that is not 0.
func (v *validator) ask(ctx context.Context, what, sql string, want uint32) error {
	return v.try(ctx, what, func(tx pgx.Tx) error {
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

// statements has Postgres plan what the triggers will execute, with the table itself in place of
// the transition tables.
func (v *validator) statements(ctx context.Context, rel relation) error {
	rows := fmt.Sprintf("(select %s from %s where false)", readable(rel), rel.name)
	for _, op := range v.table.watches() {
		sql := fmt.Sprintf("explain with new_rows as %s, old_rows as %s\n", rows, rows)
		switch {
		case op != opTruncate:
			sql += statement(v.table, rel, op)
		case v.table.Truncate.AsDeletes:
			sql = "explain " + truncatedRows(v.table, rel, rel.name)
		default:
			sql += truncatedTable(v.table, rel.name)
		}
		err := v.try(ctx, "on "+op, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, release(sql))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// try runs one question in a savepoint, so that the next can be asked after a mistake.
func (v *validator) try(ctx context.Context, what string, ask func(pgx.Tx) error) error {
	savepoint, err := v.tx.Begin(ctx)
	if err != nil {
		return err
	}
	answer := ask(savepoint)
	if err := savepoint.Rollback(ctx); err != nil {
		return errors.Join(answer, err)
	}
	var pgErr *pgconn.PgError
	var typeErr typeError
	switch {
	case answer == nil:
	case errors.As(answer, &pgErr):
		v.errs = append(v.errs, fmt.Errorf("table %s, %s: %w", v.table.Name, what, said{pgErr}))
	case errors.Is(answer, errNotOneValue) || errors.As(answer, &typeErr):
		v.errs = append(v.errs, fmt.Errorf("table %s, %s: %w", v.table.Name, what, answer))
	default:
		return answer
	}
	return nil
}

package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// writer holds what a database says about writerRole. A trigger function may run code of the owner of its table, such as
// a cast on a column's type: with the rights of this role that code can append events, and read what the expressions
// of specs read.
type writer struct {
	inUse    bool // it may append events, so it owns the functions
	isMember bool // the connected role may give functions to it, and change them
}

const writerSQL = `
select
    has_column_privilege(r.oid, 'pgherald.events', 'data', 'insert') and not r.rolsuper,
    pg_has_role(r.oid, 'usage')
from pg_roles as r
where r.rolname = '` + writerRole + `'`

func loadWriter(ctx context.Context, tx pgx.Tx) (w writer, err error) {
	rows, err := tx.Query(ctx, writerSQL)
	if err != nil {
		return w, fmt.Errorf("look up the role %s: %w", writerRole, err)
	}
	_, err = pgx.ForEachRow(rows, []any{&w.inUse, &w.isMember}, func() error { return nil })
	return w, err
}

// writerOwns reports whether writerRole owns the functions of this database, or will.
func writerOwns(ctx context.Context, tx pgx.Tx) (bool, error) {
	hasLog, err := hasLog(ctx, tx)
	if err != nil || !hasLog {
		return false, err
	}
	w, err := loadWriter(ctx, tx)
	return w.inUse, err
}

// runsAsOwner begins the functions whose names depend on their search path. Code that runs as their owner, from the
// trigger of another table, could make such a function one that runs as its caller, with another path. It could not
// replace the body, which needs a right on the schema.
const runsAsOwner = `-- Do nothing as another role, or as this role by SET ROLE: a role has altered the function.
if current_user operator(pg_catalog.<>) '` + writerRole + `'
    or session_user operator(pg_catalog.=) '` + writerRole + `'
    or pg_catalog.current_setting('role') operator(pg_catalog.=) '` + writerRole + `'
then
    return null;
end if;`

// mayChange returns an error if the connected role could not make the changes.
func (w writer) mayChange(ctx context.Context, tx pgx.Tx, changes []change) error {
	if !w.inUse || w.isMember || len(changes) == 0 {
		return nil
	}
	var role string
	if err := tx.QueryRow(ctx, `select quote_ident(current_user)`).Scan(&role); err != nil {
		return fmt.Errorf("read the name of the role: %w", err)
	}
	return fmt.Errorf("change functions that belong to %s: this role is no member of it; run as a superuser: grant %[1]s to %s", writerRole, role)
}

// giveAway generates the statements that give a function to writerRole. The new owner of a function needs CREATE on its
// schema, for this moment only.
func (f function) giveAway() []string {
	return []string{
		"grant create on schema pgherald to " + writerRole,
		"alter function " + f.sqlName() + "() owner to " + writerRole,
		"revoke create on schema pgherald from " + writerRole,
	}
}

package triggers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// tableLock is the lock that the changes of a table need.
type tableLock struct {
	name Name
	// exclusive excludes readers too: DROP TRIGGER needs that, CREATE TRIGGER does not.
	exclusive   bool
	partitioned bool
}

// sql generates the statement. A trigger on a partitioned table concerns its partitions; one on any other table
// does not concern the tables that inherit from it.
func (l tableLock) sql() string {
	only, mode := "only ", "share row exclusive"
	if l.partitioned {
		only = ""
	}
	if l.exclusive {
		mode = "access exclusive"
	}
	return "lock table " + only + l.name.String() + " in " + mode + " mode"
}

// lockAll generates one statement that takes all the locks, so that statement_timeout bounds it as a whole.
func lockAll(locks []tableLock) string {
	var b strings.Builder
	b.WriteString("\nbegin\n")
	for _, l := range locks {
		b.WriteString("    " + l.sql() + ";\n")
	}
	b.WriteString("end\n")
	return "do " + dollarQuote(b.String())
}

// dollarQuote returns text as a literal on lines of its own.
func dollarQuote(text string) string {
	tag := "$pgherald$"
	for i := 1; strings.Contains(text, tag); i++ {
		tag = fmt.Sprintf("$pgherald%d$", i)
	}
	return tag + text + tag
}

// neededLocks returns the locks that the changes need, in the order of the tables' names, so that two
// of these transactions never wait for each other.
func neededLocks(changes []change) []tableLock {
	var locks []tableLock
	for _, c := range changes {
		if c.table == (Name{}) {
			continue
		}
		i := slices.IndexFunc(locks, func(l tableLock) bool { return l.name == c.table })
		if i < 0 {
			locks = append(locks, tableLock{name: c.table})
			i = len(locks) - 1
		}
		locks[i].exclusive = locks[i].exclusive || c.exclusive
	}
	slices.SortFunc(locks, func(a, b tableLock) int {
		if a.name.Schema != b.name.Schema {
			return strings.Compare(a.name.Schema, b.name.Schema)
		}
		return strings.Compare(a.name.Table, b.name.Table)
	})
	return locks
}

// lockedTables holds the oids of the tables to lock, with their partitions.
type lockedTables struct {
	shared, exclusive []uint32
}

func (t *lockedTables) add(l tableLock, oids []uint32) {
	if l.exclusive {
		t.exclusive = append(t.exclusive, oids...)
	} else {
		t.shared = append(t.shared, oids...)
	}
}

// findTables completes the locks with what the catalog says. It leaves out tables that this role may not lock
// explicitly: the right to create triggers does not include it.
func findTables(ctx context.Context, tx pgx.Tx, locks []tableLock) (possible []tableLock, all lockedTables, err error) {
	schemas, names := make([]string, len(locks)), make([]string, len(locks))
	for i, l := range locks {
		schemas[i], names[i] = l.name.Schema, l.name.Table
	}
	rows, err := tx.Query(ctx, `
		select w.n - 1, c.relkind = 'p', has_table_privilege(c.oid, 'update, delete, truncate'),
			array[c.oid] || array(select p.relid::oid from pg_partition_tree(c.oid) as p)
		from unnest($1::text[], $2::text[]) with ordinality as w (schema_name, table_name, n)
		join pg_namespace as s on s.nspname = w.schema_name
		join pg_class as c on c.relnamespace = s.oid and c.relname = w.table_name
		order by w.n`, schemas, names)
	if err != nil {
		return nil, all, fmt.Errorf("look up the tables to lock: %w", err)
	}
	var oids []uint32
	var i int
	var permitted, partitioned bool
	_, err = pgx.ForEachRow(rows, []any{&i, &partitioned, &permitted, &oids}, func() error {
		all.add(locks[i], oids)
		locks[i].partitioned = partitioned
		if permitted {
			possible = append(possible, locks[i])
		}
		return nil
	})
	if err != nil {
		return nil, all, fmt.Errorf("look up the tables to lock: %w", err)
	}
	return possible, all, nil
}

// lockTables takes the locks that the changes need within the limit, all or none.
func lockTables(ctx context.Context, tx pgx.Tx, changes []change, limit time.Duration) (lockedTables, error) {
	locks, tables, err := findTables(ctx, tx, neededLocks(changes))
	if err != nil || len(locks) == 0 {
		return tables, err
	}
	var before string // the timeout of the session
	if err := tx.QueryRow(ctx, `select current_setting('statement_timeout')`).Scan(&before); err != nil {
		return tables, fmt.Errorf("read statement_timeout: %w", err)
	}
	// One round trip: the locks delay writers from here on.
	_, err = tx.Conn().PgConn().Exec(ctx, fmt.Sprintf("set local statement_timeout = %d;\n%s;\nset local statement_timeout = %s",
		limit.Milliseconds(), lockAll(locks), quoteLiteral(before))).ReadAll()
	if isBusy(err) {
		return tables, &BusyError{tables: tables, err: err}
	}
	if err != nil {
		return tables, fmt.Errorf("lock the tables: %w", err)
	}
	return tables, nil
}

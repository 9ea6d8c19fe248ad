package triggers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A BusyError reports that the tables, or the lock for changing triggers, stayed in use by others.
type BusyError struct {
	// Holders are the transactions in the way, the oldest first. Short ones may have ended since.
	Holders []Holder
	// Waited is the time since the first attempt, and Left the time for further ones.
	Waited, Left time.Duration

	tables lockedTables // none if the attempt did not get so far
	queued bool         // behind another Apply or Drop
	err    error
}

// A Holder is a transaction that uses a table.
type Holder struct {
	Table Name // empty if it changes triggers, too
	// PID is 0 for a prepared transaction.
	PID               int32
	Role, Application string
	// State is the one of pg_stat_activity, or empty if this role may not see it.
	State string
	// Age is how long the transaction has been open, or 0 if this role may not see it.
	Age time.Duration

	mode string
}

// Error names the tables and who uses them.
func (e *BusyError) Error() string {
	waited := e.Waited.Round(100 * time.Millisecond)
	if e.queued {
		return fmt.Sprintf("wait for another process that is changing triggers: it did not end within %v%s", waited, e.holders())
	}
	if len(e.Holders) == 0 {
		return fmt.Sprintf("lock the tables: no attempt within %v took all the locks in time, although no transaction uses the tables now; "+
			"try again when the database is less busy, or allow more time with --lock-timeout", waited)
	}
	return fmt.Sprintf("lock the tables: they stayed in use by other transactions for %v%s; end those, try again, or allow more time with --lock-timeout",
		waited, e.holders())
}

// Unwrap returns the error of PostgreSQL.
func (e *BusyError) Unwrap() error { return e.err }

func (e *BusyError) holders() string {
	if len(e.Holders) == 0 {
		return ""
	}
	texts := make([]string, len(e.Holders))
	for i, h := range e.Holders {
		texts[i] = h.String()
	}
	return ": " + strings.Join(texts, ", ")
}

// String names the table, the session and the transaction's age.
func (h Holder) String() string {
	who := fmt.Sprintf("pid %d", h.PID)
	if h.PID == 0 {
		who = "a prepared transaction"
	}
	var about []string
	for _, text := range []string{h.Application, h.State} {
		if text != "" {
			about = append(about, text)
		}
	}
	if h.Role != "" {
		about = append(about, "role "+h.Role)
	}
	if h.Age > 0 {
		about = append(about, fmt.Sprintf("open for %v", h.Age.Round(100*time.Millisecond)))
	}
	if len(about) > 0 {
		who += " (" + strings.Join(about, ", ") + ")"
	}
	if h.Table == (Name{}) {
		return who
	}
	return fmt.Sprintf("%s by %s", h.Table, who)
}

// isBusy reports an error that another attempt may not have.
func isBusy(err error) bool {
	return isCode(err, lockNotAvailable) || isCode(err, deadlockDetected) || isCode(err, queryCanceled)
}

// asBusy turns such an error into a BusyError.
func asBusy(err error) error {
	var busy *BusyError
	if errors.As(err, &busy) || !isBusy(err) {
		return err
	}
	return &BusyError{err: err}
}

// findHolders looks up who holds the locks now.
func (e *BusyError) findHolders(ctx context.Context, conn *pgx.Conn) error {
	// Without tables, a look at the catalog waited, and only an
	// exclusive lock makes it wait.
	rows, err := conn.Query(ctx, `
		select coalesce(s.nspname, '')::text, coalesce(c.relname, '')::text, coalesce(l.pid, 0), coalesce(a.usename, '')::text,
			coalesce(case when a.backend_type = 'autovacuum worker' then 'autovacuum' else a.application_name end, ''), coalesce(a.state, ''),
			coalesce(extract(epoch from clock_timestamp() - a.xact_start), 0)::float8, l.mode
		from pg_catalog.pg_locks as l
		left join pg_catalog.pg_class as c on c.oid = l.relation
		left join pg_catalog.pg_namespace as s on s.oid = c.relnamespace
		left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
		where l.granted and l.pid is distinct from pg_catalog.pg_backend_pid()
			and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
			and case
				when l.locktype <> 'relation' then false
				when $1 then s.nspname = 'pgherald' and c.relname = 'locks' and l.mode in ($2, 'AccessExclusiveLock')
				when coalesce(cardinality($3::oid[]), 0) + coalesce(cardinality($4::oid[]), 0) = 0 then l.mode = 'AccessExclusiveLock'
				else l.relation = any($4) or l.relation = any($3) and l.mode not in ('AccessShareLock', 'RowShareLock')
			end
		order by a.xact_start nulls last, l.pid, c.relname
		limit 5`, e.queued, lockMode, e.tables.shared, e.tables.exclusive)
	if err != nil {
		return fmt.Errorf("look up who uses the tables: %w", err)
	}
	var h Holder
	var seconds float64
	targets := []any{&h.Table.Schema, &h.Table.Table, &h.PID, &h.Role, &h.Application, &h.State, &seconds, &h.mode}
	e.Holders = nil
	_, err = pgx.ForEachRow(rows, targets, func() error {
		h.Age = time.Duration(seconds * float64(time.Second))
		e.Holders = append(e.Holders, h)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up who uses the tables: %w", err)
	}
	return nil
}

package dml

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Writer writes to the tables of a database over one connection.
type Writer struct {
	Conn   *pgx.Conn
	Rand   *rand.Rand
	Tables []*Table
	Serial *atomic.Int64 // shared by all writers: numbers for new keys
	// Wrote is called after each transaction with the statements that changed rows and committed.
	Wrote func(statements int)

	// Kinds counts these statements by what they do, and Refused counts the others by SQLSTATE and what they do.
	Kinds, Refused map[string]int
	// Rows counts the rows that committed statements changed.
	Rows int64
}

// errUndo makes a transaction roll back.
var errUndo = errors.New("rolled back on purpose")

// Prepare sets what makes a session of many that write to the same rows go on: it ends deadlocks and waits for locks soon.
func (w *Writer) Prepare(ctx context.Context) error {
	w.Kinds, w.Refused = map[string]int{}, map[string]int{}
	_, err := w.Conn.Exec(ctx, `set deadlock_timeout = '20ms'; set lock_timeout = '2s'; set client_min_messages = error`)
	return err
}

// Run writes until done ends.
func (w *Writer) Run(ctx, done context.Context) error {
	for done.Err() == nil {
		if err := w.Transact(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Transact runs one transaction of one to eight steps, or a single statement outside of one.
func (w *Writer) Transact(ctx context.Context) error {
	if w.Rand.IntN(4) == 0 {
		return w.single(ctx)
	}
	wrote := map[string]int{}
	var rows int64
	tx, err := w.Conn.Begin(ctx)
	if err != nil {
		return err
	}
	for range 1 + w.Rand.IntN(8) {
		kind, n, err := w.savepoint(ctx, tx)
		if err != nil {
			return errors.Join(err, tx.Rollback(ctx))
		}
		if n > 0 {
			wrote[kind]++
			rows += n
		}
	}
	if w.Rand.IntN(8) == 0 {
		return tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil { // deferred constraints
		return w.tolerate("commit", err)
	}
	w.count(wrote, rows)
	return nil
}

// single runs a statement outside of a transaction.
func (w *Writer) single(ctx context.Context) error {
	kind, n, err := w.step(ctx)
	if err != nil || n == 0 {
		return w.tolerate(kind, err)
	}
	w.count(map[string]int{kind: 1}, n)
	return nil
}

func (w *Writer) count(wrote map[string]int, rows int64) {
	statements := 0
	for kind, n := range wrote {
		w.Kinds[kind] += n
		statements += n
	}
	w.Rows += rows
	if statements > 0 {
		w.Wrote(statements)
	}
}

// savepoint runs a statement in a savepoint, and sometimes rolls that back.
func (w *Writer) savepoint(ctx context.Context, tx pgx.Tx) (kind string, rows int64, err error) {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return "", 0, err
	}
	kind, rows, err = w.step(ctx)
	if err == nil && w.Rand.IntN(10) == 0 {
		err = errUndo
	}
	if err != nil {
		return kind, 0, errors.Join(w.tolerate(kind, err), inner.Rollback(ctx))
	}
	return kind, rows, inner.Commit(ctx)
}

// step runs one statement of a random kind on a random table.
func (w *Writer) step(ctx context.Context) (kind string, rows int64, err error) {
	t := w.Tables[w.Rand.IntN(len(w.Tables))]
	for t.partition && w.Rand.IntN(8) > 0 { // a table may have a hundred of them
		t = w.Tables[w.Rand.IntN(len(w.Tables))]
	}
	var count int
	err = w.Conn.QueryRow(ctx, fmt.Sprintf(`select count(*) from (select from %s limit %d) as s`, t.SQL, large)).Scan(&count)
	kind = "count"
	if err == nil {
		var write write
		kind, write = w.choose(count)
		rows, err = write(ctx, t)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", kind, t.SQL, err)
	}
	return kind, rows, err
}

// tolerate returns nil for an error that random values explain, and counts it.
func (w *Writer) tolerate(kind string, err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil || errors.Is(err, errUndo):
		return nil
	case !errors.As(err, &pg) || strings.Contains(pg.Where, "pgherald"):
		return describe(err)
	}
	switch pg.Code[:2] {
	case "21", // cardinality: two source rows for one row
		"22", "23", // data, constraints
		"27", "0A", "P0", "54", // triggers and limits of the database's own
		"40":
	case "42":
		if pg.Code != "42883" { // an operator that a type lacks
			return describe(err)
		}
	default:
		if pg.Code != "55P03" && pg.Code != "55000" && pg.Code != "44000" { // locks, deferrable keys, check options
			return describe(err)
		}
	}
	w.Refused[pg.Code+" "+kind]++
	return nil
}

// describe adds what PostgreSQL says about an error.
func describe(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return fmt.Errorf("%w (%s; %s; where: %s; query: %s)", err, pg.Detail, pg.Hint, pg.Where, pg.InternalQuery)
	}
	return err
}

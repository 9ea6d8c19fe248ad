package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
)

// writer is somebody who writes to the table, straight to the database, in transactions of all
// shapes. Several of them work on the same rows.
type writer struct {
	url      string
	load     judge.Workload
	rows     []string // ascending; locked in this order, so there is no deadlock
	rng      *mathrand.Rand
	long     bool // its transactions stay open while others commit
	tolerant bool // of a database that is away
	commits  *counter

	conn   *pgx.Conn
	ledger judge.Ledger
}

// errUndo rolls a transaction back.
var errUndo = errors.New("rolled back on purpose")

// run writes until quit is over. ctx ends everything.
func (w *writer) run(ctx, quit context.Context) error {
	w.ledger = judge.Ledger{Committed: make(map[string]judge.Tally), Crashes: w.tolerant}
	defer func() {
		if w.conn != nil {
			w.conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for quit.Err() == nil {
		if err := w.connect(ctx, quit); err != nil {
			return err
		}
		if w.conn == nil {
			return nil
		}
		err := w.transact(ctx, quit)
		if err != nil && !(w.tolerant && isOutage(w.conn, err)) {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// connect makes a connection, if there is none that works. It leaves none when quit is over.
func (w *writer) connect(ctx, quit context.Context) error {
	for quit.Err() == nil && (w.conn == nil || w.conn.IsClosed()) {
		conn, err := pgx.Connect(ctx, w.url)
		if err == nil {
			w.conn = conn
			return nil
		}
		if !w.tolerant || ctx.Err() != nil {
			return fmt.Errorf("connect a writer: %w", err)
		}
		pause(quit, 20*time.Millisecond)
	}
	return nil
}

// isOutage is true for the errors that an outage brings, and not for a write that was refused.
func isOutage(conn *pgx.Conn, err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P")
	}
	return conn.IsClosed()
}

// transact is one transaction.
func (w *writer) transact(ctx, quit context.Context) error {
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // where there was an error; the connection may be gone
	n, xid, err := w.fill(ctx, quit, tx)
	if errors.Is(err, errUndo) {
		w.ledger.RolledBack = append(w.ledger.RolledBack, xid)
		return tx.Rollback(ctx)
	}
	if err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		w.ledger.Unknown = append(w.ledger.Unknown, xid)
		return fmt.Errorf("commit: %w", err)
	}
	w.ledger.Committed[xid] = n
	w.commits.add()
	return nil
}

// fill writes what the transaction is to write, and says so in the journal.
func (w *writer) fill(ctx, quit context.Context, tx pgx.Tx) (n judge.Tally, xid string, err error) {
	if w.long || w.rng.IntN(6) == 0 {
		if err := w.episode(ctx, tx, &n); err != nil {
			return n, xid, err
		}
	}
	if w.long {
		_ = w.commits.wait(quit, 20+w.rng.IntN(60)) // at the end it just commits
	}
	for _, part := range w.someRows() {
		if err := w.write(ctx, tx, part, &n); err != nil {
			return n, xid, err
		}
	}
	if err := tx.QueryRow(ctx, judge.JournalInsert, n.Updated, n.Other).Scan(&xid); err != nil {
		return n, xid, err
	}
	if w.rng.IntN(5) == 0 {
		return n, xid, errUndo
	}
	return n, xid, nil
}

// someRows are one to six rows in ascending order, cut into parts.
func (w *writer) someRows() [][]string {
	chosen := make([]string, 1+w.rng.IntN(6))
	for i := range chosen {
		chosen[i] = w.rows[w.rng.IntN(len(w.rows))]
	}
	slices.Sort(chosen)
	chosen = slices.Compact(chosen)
	return slices.Collect(slices.Chunk(chosen, 1+w.rng.IntN(3)))
}

// write changes rows in one of the ways that there are.
func (w *writer) write(ctx context.Context, tx pgx.Tx, ids []string, n *judge.Tally) error {
	switch w.rng.IntN(8) {
	case 0:
		return w.savepoint(ctx, tx, ids, n, true)
	case 1:
		return w.savepoint(ctx, tx, ids, n, false)
	case 2: // one statement each, and one row twice
		for _, id := range append(ids[:1:1], ids...) {
			if err := w.change(ctx, tx, w.load.Bump, []string{id}, &n.Updated); err != nil {
				return err
			}
		}
		return nil
	case 3: // an update that changes nothing is no event
		var none int
		return w.change(ctx, tx, w.load.Touch, ids[:1], &none)
	default:
		return w.change(ctx, tx, w.load.Bump, ids, &n.Updated)
	}
}

// savepoint writes after a savepoint, which it releases or rolls back to.
func (w *writer) savepoint(ctx context.Context, tx pgx.Tx, ids []string, n *judge.Tally, keep bool) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	before := *n
	if err := w.write(ctx, inner, ids, n); err != nil {
		return err
	}
	if keep {
		return inner.Commit(ctx)
	}
	*n = before
	return inner.Rollback(ctx)
}

// episode is the life of a row that nobody else knows, or the first part of it.
func (w *writer) episode(ctx context.Context, tx pgx.Tx, n *judge.Tally) error {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])
	if _, err := tx.Exec(ctx, w.load.Insert, id, 1); err != nil {
		return err
	}
	n.Other++
	steps := w.rng.IntN(3)
	if steps > 0 {
		if err := w.change(ctx, tx, w.load.Bump, []string{id}, &n.Updated); err != nil {
			return err
		}
	}
	if steps > 1 {
		return w.change(ctx, tx, w.load.Delete, []string{id}, &n.Other)
	}
	return nil
}

func (w *writer) change(ctx context.Context, tx pgx.Tx, sql string, ids []string, events *int) error {
	tag, err := tx.Exec(ctx, sql, ids)
	if err == nil && tag.RowsAffected() != int64(len(ids)) {
		err = fmt.Errorf("%q changed %d rows of %d", sql, tag.RowsAffected(), len(ids))
	}
	*events += len(ids)
	return err
}

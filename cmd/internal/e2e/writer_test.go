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

// writer writes to the counter table in SQL, in transactions of all shapes. Writers share rows.
type writer struct {
	url              string
	table            judge.CounterTable
	rows             []string // ascending: all writers lock rows in this order, so there is no deadlock
	rng              *mathrand.Rand
	long             bool // its transactions stay open while others commit
	toleratesOutages bool // it reconnects when the database is away
	commits          *counter

	conn   *pgx.Conn
	ledger judge.Ledger
}

// errUndo makes transact roll back.
var errUndo = errors.New("rolled back on purpose")

// run writes until done ends. ctx bounds everything.
func (w *writer) run(ctx, done context.Context) error {
	w.ledger = judge.Ledger{Committed: make(map[string]judge.Tally), Crashes: w.toleratesOutages}
	defer func() {
		if w.conn != nil {
			w.conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for done.Err() == nil {
		if err := w.connect(ctx, done); err != nil {
			return err
		}
		if w.conn == nil {
			return nil
		}
		err := w.transact(ctx, done)
		if err != nil && !(w.toleratesOutages && isOutage(w.conn, err)) {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// connect connects if there is no open connection. It leaves none if done ends first.
func (w *writer) connect(ctx, done context.Context) error {
	for done.Err() == nil && (w.conn == nil || w.conn.IsClosed()) {
		conn, err := pgx.Connect(ctx, w.url)
		if err == nil {
			w.conn = conn
			return nil
		}
		if !w.toleratesOutages || ctx.Err() != nil {
			return fmt.Errorf("connect a writer: %w", err)
		}
		pause(done, 20*time.Millisecond)
	}
	return nil
}

// isOutage reports whether an error comes from an outage and not from a rejected write.
func isOutage(conn *pgx.Conn, err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P")
	}
	return conn.IsClosed()
}

// transact runs one transaction.
func (w *writer) transact(ctx, done context.Context) error {
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // after an error; the connection may be gone
	n, xid, err := w.fill(ctx, done, tx)
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

// fill makes the writes of a transaction and states their tally in the journal.
func (w *writer) fill(ctx, done context.Context, tx pgx.Tx) (n judge.Tally, xid string, err error) {
	if w.long || w.rng.IntN(6) == 0 {
		if err := w.writeNewRow(ctx, tx, &n); err != nil {
			return n, xid, err
		}
	}
	if w.long {
		_ = w.commits.wait(done, 20+w.rng.IntN(60)) // it commits when the trial ends
	}
	for _, part := range w.pickRows() {
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

// pickRows returns one to six rows in ascending order, cut into parts.
func (w *writer) pickRows() [][]string {
	picked := make([]string, 1+w.rng.IntN(6))
	for i := range picked {
		picked[i] = w.rows[w.rng.IntN(len(w.rows))]
	}
	slices.Sort(picked)
	picked = slices.Compact(picked)
	return slices.Collect(slices.Chunk(picked, 1+w.rng.IntN(3)))
}

// write changes rows in one of several ways.
func (w *writer) write(ctx context.Context, tx pgx.Tx, ids []string, n *judge.Tally) error {
	switch w.rng.IntN(8) {
	case 0:
		return w.savepoint(ctx, tx, ids, n, true)
	case 1:
		return w.savepoint(ctx, tx, ids, n, false)
	case 2: // one statement each, and the first row twice
		for _, id := range append(ids[:1:1], ids...) {
			if err := w.change(ctx, tx, w.table.Bump, []string{id}, &n.Updated); err != nil {
				return err
			}
		}
		return nil
	case 3: // an update without a change causes no event
		var none int
		return w.change(ctx, tx, w.table.Touch, ids[:1], &none)
	default:
		return w.change(ctx, tx, w.table.Bump, ids, &n.Updated)
	}
}

// savepoint writes within a savepoint, which it releases if keep is set and rolls back otherwise.
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

// writeNewRow inserts a row of its own, and may update and delete it.
func (w *writer) writeNewRow(ctx context.Context, tx pgx.Tx, n *judge.Tally) error {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])
	if _, err := tx.Exec(ctx, w.table.Insert, id, 1); err != nil {
		return err
	}
	n.Other++
	steps := w.rng.IntN(3)
	if steps > 0 {
		if err := w.change(ctx, tx, w.table.Bump, []string{id}, &n.Updated); err != nil {
			return err
		}
	}
	if steps > 1 {
		return w.change(ctx, tx, w.table.Delete, []string{id}, &n.Other)
	}
	return nil
}

// change runs a statement that must affect all of the rows, and counts their events.
func (w *writer) change(ctx context.Context, tx pgx.Tx, sql string, ids []string, events *int) error {
	tag, err := tx.Exec(ctx, sql, ids)
	if err == nil && tag.RowsAffected() != int64(len(ids)) {
		err = fmt.Errorf("%q changed %d rows of %d", sql, tag.RowsAffected(), len(ids))
	}
	*events += len(ids)
	return err
}

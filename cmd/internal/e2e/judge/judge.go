// Package judge decides whether clients received exactly what was written: each event once, each transaction
// in one piece, and the events of each row in the order of its writes.
//
// It trusts nothing that pgherald says about itself. Its evidence is independent of the code under test:
//
//   - The journal, a table that no trigger watches. Each transaction of a writer states there how many events
//     it causes, so the row exists exactly if the transaction committed.
//   - The state, the counters of the rows at the end. Each write adds one to a counter, so the events of a
//     row must count 1, 2, 3 and end at the state.
//   - The ledgers, which say what the writers know of their transactions. CheckWriters compares the journal
//     with them: if that fails, the test itself is wrong.
//
// The log (pgherald.events) only maps the id of an event to its transaction and type.
package judge

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/streamtest"
)

// Tally counts the events of one transaction.
type Tally struct {
	Updated int // of the type CounterTable.UpdateType
	Other   int
}

// Ledger holds what one writer knows of its transactions, by their ids (xid8 as text).
type Ledger struct {
	Committed  map[string]Tally
	RolledBack []string
	// Unknown are transactions whose COMMIT got no answer.
	Unknown []string
	// Crashes is set if the database may crash. The id of a transaction that was rolled back may then be
	// used again.
	Crashes bool
}

// Received holds what one client received.
type Received struct {
	Name string
	// Types is the client's filter. Nil means all types.
	Types []string
	*streamtest.Client
}

// Logged is a row of the log.
type Logged struct{ XID, Type string }

// Truth holds what happened, by the database's account. It is not safe for concurrent use.
type Truth struct {
	Table   CounterTable
	Fixed   []string         // ids of the rows that existed before the clients connected, with counter 0
	Journal map[string]Tally // by transaction
	State   map[string]int   // counter by id of the row
	Log     map[int64]Logged // by id of the event

	payloads map[int64]payload // events that some client received
}

// Read reads the truth from the database, after the last write.
func Read(ctx context.Context, conn *pgx.Conn, table CounterTable, fixed []string) (*Truth, error) {
	tr := &Truth{
		Table: table, Fixed: fixed,
		Journal: make(map[string]Tally), State: make(map[string]int), Log: make(map[int64]Logged),
	}
	var id int64
	var text string
	var n Tally
	var e Logged
	return tr, errors.Join(
		eachRow(ctx, conn, `select xid::text, updated, other from public.journal`,
			[]any{&text, &n.Updated, &n.Other}, func() { tr.Journal[text] = n }),
		eachRow(ctx, conn, table.State, []any{&text, &n.Updated}, func() { tr.State[text] = n.Updated }),
		eachRow(ctx, conn, `select id, xid::text, type from pgherald.events`,
			[]any{&id, &e.XID, &e.Type}, func() { tr.Log[id] = e }),
	)
}

func eachRow(ctx context.Context, conn *pgx.Conn, sql string, scans []any, do func()) error {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, scans, func() error { do(); return nil })
	return err
}

// CheckWriters compares the journal with the ledgers.
func (tr *Truth) CheckWriters(ledgers ...Ledger) error {
	for _, l := range ledgers {
		for xid, n := range l.Committed {
			if got, ok := tr.Journal[xid]; !ok || got != n {
				return fmt.Errorf("transaction %s committed with %+v, the journal has %+v", xid, n, got)
			}
		}
		for _, xid := range l.RolledBack {
			if _, ok := tr.Journal[xid]; ok && !l.Crashes {
				return fmt.Errorf("transaction %s was rolled back and is in the journal", xid)
			}
		}
	}
	return nil
}

// Check returns the first difference between what a client received and what happened.
func (tr *Truth) Check(r Received) error {
	if r.Resets > 0 {
		return fmt.Errorf("%s: %d resets", r.Name, r.Resets)
	}
	for _, check := range []func(Received) error{tr.checkOnce, tr.checkTransactions, tr.checkOrder} {
		if err := check(r); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

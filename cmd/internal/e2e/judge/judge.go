package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/stream/streamtest"
)

// truth is what the database says has happened.
type truth struct {
	load    workload
	fixed   []string              // rows that were there from the start, with 0
	journal map[string]tally      // transactions, by the writers' own account
	state   map[string]int        // the counters at the end
	logged  map[int64]loggedEvent // pgherald's log
	known   map[int64]known       // events that some subscriber has had
}

// known is an event, decoded once: everybody gets the same bytes.
type known struct {
	counted
	data string
}

func (tr *truth) decode(e streamtest.Envelope) (counted, error) {
	k, ok := tr.known[e.ID]
	if !ok {
		c, err := decode(e)
		if err != nil {
			return counted{}, err
		}
		k = known{c, string(e.Data)}
		tr.known[e.ID] = k
	}
	if k.data != string(e.Data) {
		return counted{}, fmt.Errorf("event %d came as %s, and to somebody else as %s", e.ID, e.Data, k.data)
	}
	return k.counted, nil
}

type loggedEvent struct{ xid, kind string }

func readTruth(ctx context.Context, conn *pgx.Conn, load workload, fixed []string) (*truth, error) {
	tr := &truth{load: load, fixed: fixed,
		journal: make(map[string]tally), state: make(map[string]int), logged: make(map[int64]loggedEvent), known: make(map[int64]known)}
	var id int64
	var text string
	var n tally
	var e loggedEvent
	return tr, errors.Join(
		eachRow(ctx, conn, `select xid::text, updated, other from public.journal`,
			[]any{&text, &n.updated, &n.other}, func() { tr.journal[text] = n }),
		eachRow(ctx, conn, load.state, []any{&text, &n.updated}, func() { tr.state[text] = n.updated }),
		eachRow(ctx, conn, `select id, xid::text, type from pgherald.events`,
			[]any{&id, &e.xid, &e.kind}, func() { tr.logged[id] = e }),
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

// checkWriters compares the journal with what the writers know. It is about the database and about
// the test itself: if this is wrong, nothing else means anything.
func (tr *truth) checkWriters(writers []*writer) error {
	for _, w := range writers {
		for xid, n := range w.acked {
			if got, ok := tr.journal[xid]; !ok || got != n {
				return fmt.Errorf("transaction %s was committed with %v, the journal has %v", xid, n, got)
			}
		}
		for _, xid := range w.undone {
			if _, ok := tr.journal[xid]; ok && !w.tolerant { // after a crash another may have its number
				return fmt.Errorf("transaction %s was rolled back, and is in the journal", xid)
			}
		}
	}
	return nil
}

// check compares what a subscriber has with what has happened.
func (tr *truth) check(s *subscriber) error {
	if s.Resets > 0 {
		return fmt.Errorf("%s: %d resets", s.name, s.Resets)
	}
	for _, check := range []func(*subscriber) error{tr.checkOnce, tr.checkTogether, tr.checkOrder} {
		if err := check(s); err != nil {
			return fmt.Errorf("%s, after %d connections: %w", s.name, s.sessions, err)
		}
	}
	return nil
}

func (s *subscriber) wants(kind string) bool { return s.types == nil || slices.Contains(s.types, kind) }

// checkOnce: every event of the log, and each once.
func (tr *truth) checkOnce(s *subscriber) error {
	seen := make(map[int64]bool)
	for _, e := range s.Events() {
		logged, ok := tr.logged[e.ID]
		switch {
		case !ok:
			return fmt.Errorf("event %d came and is not in the log", e.ID)
		case seen[e.ID]:
			return fmt.Errorf("event %d of transaction %s came twice", e.ID, logged.xid)
		case logged.kind != e.Type || !s.wants(e.Type):
			return fmt.Errorf("event %d came as %s, in the log it is %s", e.ID, e.Type, logged.kind)
		}
		seen[e.ID] = true
	}
	for id, logged := range tr.logged {
		if s.wants(logged.kind) && !seen[id] {
			return fmt.Errorf("event %d of transaction %s is missing, %d came", id, logged.xid, len(seen))
		}
	}
	return nil
}

// checkTogether: every transaction of the journal, in one piece, with as many events as its writer
// says, in the order written.
func (tr *truth) checkTogether(s *subscriber) error {
	left := make(map[string]int)
	for xid, n := range tr.journal {
		if left[xid] = n.updated; s.types == nil {
			left[xid] += n.other
		}
	}
	for _, events := range s.Transactions {
		xid := tr.logged[events[0].ID].xid
		want, ok := left[xid]
		if !ok || want != len(events) {
			return fmt.Errorf("transaction %s came with %d events, it has %d (%v)", xid, len(events), want, ok)
		}
		delete(left, xid)
		if err := tr.checkTransaction(xid, events); err != nil {
			return err
		}
	}
	for xid, n := range left {
		if n > 0 {
			return fmt.Errorf("transaction %s with %d events is missing", xid, n)
		}
	}
	return nil
}

func (tr *truth) checkTransaction(xid string, events []streamtest.Envelope) error {
	for i, e := range events {
		c, err := tr.decode(e)
		if err != nil {
			return err
		}
		if tr.load.spec != "" && c.txid != xid {
			return fmt.Errorf("event %d of transaction %q came with transaction %s", e.ID, c.txid, xid)
		}
		if i > 0 && e.ID <= events[i-1].ID {
			return fmt.Errorf("event %d came after %d in transaction %s", e.ID, events[i-1].ID, xid)
		}
	}
	return nil
}

// checkOrder: each row's counter goes 1, 2, 3, and ends as it is in the table.
func (tr *truth) checkOrder(s *subscriber) error {
	last := make(map[string]counted)
	for _, e := range s.Events() {
		c, err := tr.decode(e)
		if err != nil {
			return err
		}
		was, seen := last[c.id]
		if !seen && s.types != nil && !slices.Contains(tr.fixed, c.id) {
			was.counter = 1 // its insert was not wanted
		}
		if was.deleted || !c.deleted && c.counter != was.counter+1 {
			return fmt.Errorf("event %d of row %s says %d after %d (deleted: %v)", e.ID, c.id, c.counter, was.counter, was.deleted)
		}
		last[c.id] = c
	}
	for id, counter := range tr.state {
		if c := last[id]; c.deleted || c.counter != counter && (s.types == nil || counter > 1) {
			return fmt.Errorf("row %s is at %d, its last event says %d (deleted: %v)", id, counter, c.counter, c.deleted)
		}
	}
	for id, c := range last {
		if _, ok := tr.state[id]; ok == c.deleted && s.types == nil {
			return fmt.Errorf("row %s is there: %v, deleted by its last event: %v", id, ok, c.deleted)
		}
	}
	return nil
}

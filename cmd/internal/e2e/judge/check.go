package judge

import (
	"fmt"
	"slices"

	"github.com/pgherald/pgherald/stream/streamtest"
)

// wants reports whether the client's filter matches a type.
func (r Received) wants(kind string) bool { return r.Types == nil || slices.Contains(r.Types, kind) }

// checkOnce compares the events with the log: each one that the filter matches, once, and no other.
func (tr *Truth) checkOnce(r Received) error {
	seen := make(map[int64]bool)
	for _, e := range r.Events() {
		logged, ok := tr.Log[e.ID]
		switch {
		case !ok:
			return fmt.Errorf("event %d arrived and is not in the log", e.ID)
		case seen[e.ID]:
			return fmt.Errorf("event %d of transaction %s arrived twice", e.ID, logged.XID)
		case logged.Type != e.Type || !r.wants(e.Type):
			return fmt.Errorf("event %d arrived as %s, the log has %s", e.ID, e.Type, logged.Type)
		}
		seen[e.ID] = true
	}
	for id, logged := range tr.Log {
		if r.wants(logged.Type) && !seen[id] {
			return fmt.Errorf("event %d of transaction %s is missing; %d arrived", id, logged.XID, len(seen))
		}
	}
	return nil
}

// checkTransactions compares the transactions with the journal: each in one piece, with as many events as
// its writer stated, in the order of their ids.
func (tr *Truth) checkTransactions(r Received) error {
	missing := make(map[string]int)
	for xid, n := range tr.Journal {
		if missing[xid] = n.Updated; r.Types == nil {
			missing[xid] += n.Other
		}
	}
	for _, events := range r.Transactions {
		xid := tr.Log[events[0].ID].XID
		want, ok := missing[xid]
		if !ok || want != len(events) {
			return fmt.Errorf("transaction %s arrived with %d events, want %d (in the journal: %t)", xid, len(events), want, ok)
		}
		delete(missing, xid)
		if err := tr.checkTransaction(xid, events); err != nil {
			return err
		}
	}
	for xid, n := range missing {
		if n > 0 {
			return fmt.Errorf("transaction %s with %d events is missing", xid, n)
		}
	}
	return nil
}

func (tr *Truth) checkTransaction(xid string, events []streamtest.Envelope) error {
	for i, e := range events {
		p, err := tr.decode(e)
		if err != nil {
			return err
		}
		if tr.Table.HasXID && p.xid != xid {
			return fmt.Errorf("event %d of transaction %q arrived within transaction %s", e.ID, p.xid, xid)
		}
		if i > 0 && e.ID <= events[i-1].ID {
			return fmt.Errorf("event %d arrived after %d in transaction %s", e.ID, events[i-1].ID, xid)
		}
	}
	return nil
}

// checkOrder compares the counters: those of a row go 1, 2, 3, and the last one is the row's state.
func (tr *Truth) checkOrder(r Received) error {
	last := make(map[string]payload)
	for _, e := range r.Events() {
		p, err := tr.decode(e)
		if err != nil {
			return err
		}
		before, seen := last[p.row]
		if !seen && r.Types != nil && !slices.Contains(tr.Fixed, p.row) {
			before.counter = 1 // the filter excludes its insert
		}
		if before.deleted || !p.deleted && p.counter != before.counter+1 {
			return fmt.Errorf("event %d of row %s has counter %d after %d (deleted: %t)", e.ID, p.row, p.counter, before.counter, before.deleted)
		}
		last[p.row] = p
	}
	return tr.checkState(r, last)
}

// checkState compares the last events of the rows with the table.
func (tr *Truth) checkState(r Received, last map[string]payload) error {
	for row, counter := range tr.State {
		if p := last[row]; p.deleted || p.counter != counter && (r.Types == nil || counter > 1) {
			return fmt.Errorf("row %s is at %d, its last event has %d (deleted: %t)", row, counter, p.counter, p.deleted)
		}
	}
	for row, p := range last {
		if _, exists := tr.State[row]; exists == p.deleted && r.Types == nil {
			return fmt.Errorf("row %s exists: %t, deleted by its last event: %t", row, exists, p.deleted)
		}
	}
	return nil
}

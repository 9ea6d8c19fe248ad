package judge

import (
	"fmt"
	"time"
)

// overtaken is the time by which an event may be behind one that was written later than it was committed, at the commit
// and at the client. A catch-up may have the order of the writes in place of that of the commits: so an event is late
// only behind one that comes after it in both orders.
const overtaken = 5 * time.Second

// Window is the time in which committed events must reach the clients.
type Window struct{ From, To time.Time }

// verdict checks one client against a history.
type verdict struct {
	h *History
	c *Client
	w Window

	life   int              // of the receipts below
	seen   map[int64]bool   // in this life
	groups map[string]int   // group by transaction, in this life
	last   map[string]int64 // id of the newest event by row
	gone   map[string]int64 // id of the newest truncation by table
	newest map[string]int64 // id of the newest event by table
	ever   map[int64]bool   // in any life
}

// CheckClient returns the first difference between what a client received and what was committed in a window.
func (h *History) CheckClient(c *Client, w Window) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) > 0 {
		return fmt.Errorf("%s: %d violations of the protocol, the first is: %w", c.Name, len(c.errs), c.errs[0])
	}
	v := &verdict{h: h, c: c, w: w, ever: make(map[int64]bool, len(c.receipts))}
	v.begin(0)
	for begin := 0; begin < len(c.receipts); {
		end := begin + 1
		for end < len(c.receipts) && c.receipts[end].Group == c.receipts[begin].Group {
			end++
		}
		if err := v.checkGroup(c.receipts[begin:end]); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		begin = end
	}
	for _, check := range []func() error{v.checkMissing, v.checkOvertaken} {
		if err := check(); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

// begin starts a life of the client: it has loaded everything again.
func (v *verdict) begin(life int) {
	v.life = life
	v.seen, v.groups = make(map[int64]bool), make(map[string]int)
	v.last, v.gone, v.newest = make(map[string]int64), make(map[string]int64), make(map[string]int64)
}

// checkGroup checks the events up to an id line.
func (v *verdict) checkGroup(group []Receipt) error {
	if group[0].Life != v.life {
		v.begin(group[0].Life)
	}
	counts := make(map[string]int)
	for _, r := range group {
		e := v.h.of(r.ID)
		switch {
		case e == nil:
			return fmt.Errorf("event %d arrived at %s and is not in the log", r.ID, r.At.Format(clock))
		case e.digest != r.Digest:
			return fmt.Errorf("event %d arrived with another type or data than in the log: %s %s", r.ID, e.Type, e.Data)
		case !v.c.Filter.matches(e):
			return fmt.Errorf("event %d (%s %s) arrived, and the filter excludes it", r.ID, e.Type, e.Key)
		case v.seen[r.ID]:
			return fmt.Errorf("event %d of transaction %s arrived twice", r.ID, e.XID)
		}
		v.seen[r.ID], v.ever[r.ID] = true, true
		if err := v.checkOrder(e); err != nil {
			return err
		}
		counts[e.XID]++
	}
	if v.c.Conflate {
		return nil
	}
	if len(counts) > 1 && !v.c.Batch {
		return fmt.Errorf("events %d to %d of %d transactions arrived as one", group[0].ID, group[len(group)-1].ID, len(counts))
	}
	return v.checkWhole(counts, group)
}

// checkWhole checks that each transaction of a group has arrived as a whole, in the order written.
func (v *verdict) checkWhole(counts map[string]int, group []Receipt) error {
	for xid, n := range counts {
		if before, again := v.groups[xid]; again {
			return fmt.Errorf("transaction %s arrived in two pieces, at the id lines %d and %d", xid, before, group[0].Group)
		}
		v.groups[xid] = group[0].Group
		want := 0
		for _, i := range v.h.byXID[xid] {
			if v.c.Filter.matches(&v.h.Log[i]) {
				want++
			}
		}
		if n != want {
			return fmt.Errorf("transaction %s arrived with %d of its %d events", xid, n, want)
		}
	}
	ids := make(map[string]int64)
	for _, r := range group {
		e := v.h.of(r.ID)
		if e.ID < ids[e.XID] {
			return fmt.Errorf("event %d arrived after %d in transaction %s", e.ID, ids[e.XID], e.XID)
		}
		ids[e.XID] = e.ID
	}
	return nil
}

// checkOrder checks that the events of a row come in their order, and a truncation between those of before and after.
func (v *verdict) checkOrder(e *Logged) error {
	if e.Type == "table_truncated" {
		table := e.truncated()
		if newest := v.newest[table]; newest > e.ID {
			return fmt.Errorf("event %d of %s arrived before its truncation %d", newest, table, e.ID)
		}
		v.gone[table] = max(v.gone[table], e.ID)
		return nil
	}
	table := tableOf(e.Type)
	if table == "" {
		return nil
	}
	if v.gone["soak."+table] > e.ID {
		return fmt.Errorf("event %d of %s arrived after the truncation %d", e.ID, table, v.gone["soak."+table])
	}
	v.newest["soak."+table] = max(v.newest["soak."+table], e.ID)
	row := table + " " + e.Key
	if v.last[row] > e.ID {
		return fmt.Errorf("event %d of row %s arrived after %d", e.ID, row, v.last[row])
	}
	v.last[row] = e.ID
	return nil
}

// checkMissing checks that all events arrived that were committed in the window and after the last reset.
func (v *verdict) checkMissing() error {
	from := v.w.From
	if n := len(v.c.resets); n > 0 {
		from = v.c.resets[n-1].At
	}
	if v.c.Conflate {
		return v.checkLast(from)
	}
	for i := range v.h.Log {
		e := &v.h.Log[i]
		if e.Committed.After(from) && e.Committed.Before(v.w.To) && v.c.Filter.matches(e) && !v.ever[e.ID] {
			return fmt.Errorf("event %d (%s %s) of transaction %s is missing: it was committed at %s; %d events arrived",
				e.ID, e.Type, e.Key, e.XID, e.Committed.Format(clock), len(v.c.receipts))
		}
	}
	return nil
}

const clock = "15:04:05.000"

// checkLast checks that a client with conflation has the newest event of each type and row, and all without a key.
func (v *verdict) checkLast(from time.Time) error {
	newest := make(map[[2]string]*Logged)
	for i := range v.h.Log {
		e := &v.h.Log[i]
		if !e.Committed.After(from) || !e.Committed.Before(v.w.To) || !v.c.Filter.matches(e) {
			continue
		}
		switch {
		case e.Key == "":
			if !v.ever[e.ID] {
				return fmt.Errorf("event %d (%s without a key) is missing", e.ID, e.Type)
			}
		case tableOf(e.Type) != "": // of other tables the newest is not the one with the highest id
			newest[[2]string{e.Type, e.Key}] = e
		}
	}
	for _, e := range newest {
		if !v.ever[e.ID] {
			return fmt.Errorf("event %d is missing: it is the last %s of %s", e.ID, e.Type, e.Key)
		}
	}
	return nil
}

// checkOvertaken checks that no event came long after events that were written long after it was committed.
func (v *verdict) checkOvertaken() error {
	var latest *Logged // of the receipts of a life up to j, the one that was written last
	j := 0
	for i, r := range v.c.receipts {
		if i > 0 && r.Life != v.c.receipts[i-1].Life {
			latest, j = nil, i
		}
		for ; v.c.receipts[j].At.Before(r.At.Add(-overtaken)); j++ {
			if e := v.h.of(v.c.receipts[j].ID); latest == nil || e.Written.After(latest.Written) {
				latest = e
			}
		}
		e := v.h.of(r.ID)
		if latest != nil && latest.Written.After(v.h.visible(e).Add(overtaken)) {
			return fmt.Errorf("event %d, committed at %s, arrived at %s, long after event %d, which was written at %s",
				e.ID, e.Committed.Format(clock), r.At.Format(clock), latest.ID, latest.Written.Format(clock))
		}
	}
	return nil
}

package judge

import (
	"encoding/json"
	"fmt"
	"slices"
)

// write is an event as the audit demands it.
type write struct{ kind, key, xid string }

// expected returns the events of a write.
func (a Audited) expected() []write {
	noun := nouns[a.Table]
	switch {
	case a.Op == "TRUNCATE":
		return []write{{"table_truncated", "soak." + a.Table, a.XID}}
	case a.Op == "INSERT":
		return []write{{noun + "_created", a.NewKey, a.XID}}
	case a.Op == "DELETE":
		return []write{{noun + "_deleted", a.OldKey, a.XID}}
	case a.OldKey != a.NewKey:
		return []write{{noun + "_deleted", a.OldKey, a.XID}, {noun + "_created", a.NewKey, a.XID}}
	default:
		return []write{{noun + "_updated", a.NewKey, a.XID}}
	}
}

// logged returns an event of the log in the audit's terms, and whether the audit knows of such events.
func (e *Logged) logged() (write, bool) {
	if e.Type == "table_truncated" {
		return write{e.Type, e.truncated(), e.XID}, true
	}
	return write{e.Type, e.Key, e.XID}, tableOf(e.Type) != ""
}

// truncated returns the table of a table_truncated.
func (e *Logged) truncated() string {
	var data struct{ Table string }
	if json.Unmarshal(e.Data, &data) != nil {
		return ""
	}
	return data.Table
}

// CheckLog compares the log with the audit: for each transaction and for each row, the same events in the same order.
func (h *History) CheckLog() error {
	byXID, byKey := make(map[string][]write), make(map[string][]write)
	for _, a := range h.Audit {
		for _, w := range a.expected() {
			byXID[w.xid] = append(byXID[w.xid], w)
			byKey[a.Table+" "+w.key] = append(byKey[a.Table+" "+w.key], w)
		}
	}
	gotXID, gotKey := make(map[string][]write), make(map[string][]write)
	for i := range h.Log {
		e := &h.Log[i]
		if e.Type == "collection_reset" {
			return fmt.Errorf("event %d asks clients to load again: %s", e.ID, e.Data)
		}
		w, ok := e.logged()
		if !ok {
			continue
		}
		gotXID[w.xid] = append(gotXID[w.xid], w)
		table := tableOf(e.Type)
		if w.kind == "table_truncated" {
			table = w.key[len("soak."):]
		}
		gotKey[table+" "+w.key] = append(gotKey[table+" "+w.key], w)
	}
	if err := same("transaction", byXID, gotXID); err != nil {
		return err
	}
	return same("row", byKey, gotKey)
}

// same compares the audit's events with those of the log, by transaction or by row.
func same(what string, want, got map[string][]write) error {
	for of, w := range want {
		if !slices.Equal(w, got[of]) {
			return fmt.Errorf("%s %s: the audit has %d events, the log %d; they differ first at %s", what, of, len(w), len(got[of]), difference(w, got[of]))
		}
	}
	for of, w := range got {
		if want[of] == nil {
			return fmt.Errorf("%s %s: the log has %d events, the audit has none", what, of, len(w))
		}
	}
	return nil
}

func difference(want, got []write) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(want):
			return fmt.Sprintf("%d: the log has %v, the audit has no more", i, got[i])
		case i >= len(got):
			return fmt.Sprintf("%d: the audit has %v, the log has no more", i, want[i])
		case want[i] != got[i]:
			return fmt.Sprintf("%d: the audit has %v, the log %v", i, want[i], got[i])
		}
	}
	return "no place"
}

// CheckWriters compares the audit with what a writer knows for certain.
func (h *History) CheckWriters(name string, committed, rolledBack []string) error {
	audited := make(map[string]bool, len(h.Audit))
	for _, a := range h.Audit {
		audited[a.XID] = true
	}
	for _, xid := range committed {
		if !audited[xid] {
			return fmt.Errorf("%s: transaction %s was committed and is gone: PostgreSQL lost it", name, xid)
		}
	}
	for _, xid := range rolledBack {
		if audited[xid] {
			return fmt.Errorf("%s: transaction %s was rolled back and is there", name, xid)
		}
	}
	return nil
}

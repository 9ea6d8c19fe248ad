package pgherald

import (
	"math"
	"slices"
)

// maxReserve is the most rows that a window holds beyond its limit, so that a row that leaves needs no load.
const maxReserve = 50

// maxLimit is beyond what memory holds, and can be added to itself.
const maxLimit = 1 << 29

// window holds the first rows of a list, in order. If the list goes on, it holds exactly the rows up to its bound,
// wherever rows move: those after it are unknown.
type window struct {
	order       *rowOrder
	limit       int // math.MaxInt without one
	entries     []*entry
	byKey       map[string]*entry
	bound       *entry // nil if the list does not go on
	isUncertain bool   // rows may be in a wrong place or missing, since only the database knows their order
}

// newWindow returns a window of the entries of a list, which are in its order. After the bound the list goes on.
func newWindow(order *rowOrder, limit int, entries []*entry, bound *entry) *window {
	if limit == 0 {
		limit = math.MaxInt
	}
	w := &window{order: order, limit: limit, entries: entries, byKey: make(map[string]*entry), bound: bound}
	if !slices.ContainsFunc(entries, func(e *entry) bool { return !e.isExact }) {
		// Pages are of different times, and so are rows that were loaded one by one.
		slices.SortStableFunc(w.entries, order.compare)
		if bound != nil {
			w.entries = slices.DeleteFunc(w.entries, func(e *entry) bool { return order.compare(e, bound) > 0 })
		}
	}
	for _, e := range w.entries {
		w.byKey[e.key] = e
	}
	return w
}

// windowSize returns how many rows to load for a limit; 0: all.
func windowSize(limit int) int { return limit + min(limit, maxReserve) }

// shown returns the rows within the limit.
func (w *window) shown() []*entry { return w.entries[:min(w.limit, len(w.entries))] }

// hasMore reports whether the list goes on after the rows that are shown.
func (w *window) hasMore() bool { return w.bound != nil || len(w.entries) > w.limit }

// needsReload reports whether only the database knows which rows to show, or where.
func (w *window) needsReload() bool {
	return w.isUncertain || (w.bound != nil && len(w.entries) < w.limit)
}

// apply changes rows. It puts those that come before the bound into their places.
func (w *window) apply(states map[string]rowState) {
	var moved []*entry
	leaves := make(map[*entry]bool)
	for key, state := range states {
		before := w.byKey[key]
		if state.row == nil {
			leaves[before] = true
			continue
		}
		next := w.order.entry(key, state.row)
		if before != nil && slices.Equal(before.sort, next.sort) {
			before.row = state.row // in its place
			continue
		}
		leaves[before] = true
		w.isUncertain = w.isUncertain || !next.isExact
		if w.bound == nil || w.order.compare(next, w.bound) <= 0 {
			moved = append(moved, next)
		}
	}
	delete(leaves, nil)
	if len(leaves) > 0 {
		w.entries = slices.DeleteFunc(w.entries, func(e *entry) bool { return leaves[e] })
		for e := range leaves {
			delete(w.byKey, e.key)
		}
	}
	w.insert(moved)
	w.shrink()
}

// insert merges entries that are in no order into those that are.
func (w *window) insert(moved []*entry) {
	if len(moved) == 0 {
		return
	}
	slices.SortFunc(moved, w.order.compare)
	merged := make([]*entry, 0, len(w.entries)+len(moved))
	rest := w.entries
	for _, e := range moved {
		w.byKey[e.key] = e
		at := slices.IndexFunc(rest, func(other *entry) bool { return w.order.compare(other, e) > 0 })
		if at < 0 {
			at = len(rest)
		}
		merged = append(append(merged, rest[:at]...), e)
		rest = rest[at:]
	}
	w.entries = append(merged, rest...)
}

// shrink drops the last entries if they have become too many. The list goes on after those that remain.
func (w *window) shrink() {
	if w.limit == math.MaxInt {
		return
	}
	size := windowSize(w.limit)
	if len(w.entries) <= size+w.limit {
		return
	}
	for _, e := range w.entries[size:] {
		delete(w.byKey, e.key)
	}
	w.entries = slices.Clone(w.entries[:size])
	w.bound = w.entries[size-1]
}

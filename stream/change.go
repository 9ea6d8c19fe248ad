package stream

import (
	"slices"
	"unsafe"

	"github.com/pgherald/pgherald/stream/collection"
)

// op says how an event changes the rows of a collection.
type op uint8

const (
	noOp op = iota // nothing: it is about no collection
	insert
	update
	remove
	reset
)

var opNames = [...]string{noOp: "", insert: "insert", update: "update", remove: "delete", reset: "reset"}

// opOf returns the op of a type of a collection.
func opOf(o collection.Op) op { return op(max(0, slices.Index(opNames[:], string(o)))) }

// change says how an event changes a collection, in the form that filters compare.
type change struct {
	op         op
	hasBefore  bool                   // whether before and after may match different filters
	collection *collection.Collection // of the row; nil for a reset
	after      collection.Row         // the row in the event: for a delete the last one
	before     collection.Row
	resets     []*collection.Collection // those to load again; nil for a reset means every one
}

// concerns reports whether a reset is about the collection.
func (c *change) concerns(of *collection.Collection) bool {
	return c.resets == nil || slices.ContainsFunc(c.resets, of.Is)
}

// changeOverhead is the memory of a change without its rows, in bytes.
const changeOverhead = int64(unsafe.Sizeof(change{}))

// parseChanges parses the changes of the frames that were added since the last call. For an entry in the feed, call
// Feed.parse instead.
func (e *entry) parseChanges(set *collection.Set) {
	e.changes = slices.Grow(e.changes, len(e.frames)-len(e.changes))
	for i := len(e.changes); i < len(e.frames); i++ {
		c := e.changeOf(i, set)
		e.changes = append(e.changes, c)
		e.changeSpace += changeOverhead
		if c.collection != nil {
			e.changeSpace += int64(c.after.Size())
			if c.hasBefore {
				e.changeSpace += int64(c.before.Size())
			}
		}
	}
}

// changeOf returns the change of frame i.
func (e *entry) changeOf(i int, set *collection.Set) change {
	f := &e.frames[i]
	of := set.ByType(f.eventType)
	if of == nil || f.eventType == TypeCollectionReset {
		return resetOf(f.eventType, e.payload(i), set)
	}
	c := change{op: opOf(of.Types[f.eventType]), collection: of}
	if f.isOversized() { // nothing is known of the row: every filter matches it
		return c
	}
	c.after = of.ParseRow(e.payload(i), e.xid)
	var was []byte
	if f.former != nil {
		was = f.former.values
	}
	if c.op == update && set.IsReduced(of, f.id) {
		c.hasBefore = true // the row before is not known: every filter matches it
		return c
	}
	// The event of a delete has there what its data lacks.
	if was != nil || c.op == update && hasNewerFields(of, e.xid) {
		c.hasBefore, c.before = true, c.after.Former(was, e.xid)
	}
	return c
}

// hasNewerFields reports whether a field became a filter field after the transaction.
func hasNewerFields(c *collection.Collection, xid uint64) bool {
	for i := range c.Fields {
		if xid < c.Fields[i].FilterSince {
			return true
		}
	}
	return false
}

// resetOf returns the change of an event of the given type if it asks clients to load rows again.
func resetOf(eventType string, payload []byte, set *collection.Set) change {
	isReset := eventType == TypeCollectionReset
	if !isReset && !set.IsTruncate(eventType) {
		return change{}
	}
	about := ParseCollectionReset(payload)
	c := change{op: reset}
	switch {
	case about.Table != nil:
		c.resets = set.Showing(*about.Table)
	case isReset && about.Type != nil && !set.IsTruncate(*about.Type):
		if of := set.ByType(*about.Type); of != nil {
			c.resets = []*collection.Collection{of}
		}
	default:
		return c
	}
	if c.resets == nil {
		return change{}
	}
	return c
}

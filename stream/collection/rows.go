package collection

// Rows holds a few rows of a collection. It tells quickly that a filter matches none of them, if the filter compares a
// field with eq or in: clients mostly select their own rows, of which few change at a time. Adding must end before MayMatch is called.
type Rows struct {
	rows   []Row
	bySlot []map[Value]struct{} // the values of a field, once a filter compares it
	isOpen []bool               // whether a value of the field is not known, so that every filter may match
}

// Add adds a row.
func (x *Rows) Add(r Row) { x.rows = append(x.rows, r) }

// MayMatch reports whether the filter may match one of the rows; false is certain.
func (x *Rows) MayMatch(w *Where) bool {
	if w == nil {
		return len(x.rows) > 0
	}
	for i := range w.root.nodes {
		n := &w.root.nodes[i]
		if c := &n.comparison; n.logic == compares && c.op == in && !c.not && !x.hasOneOf(c.slot, c.values) {
			return false
		}
	}
	return len(x.rows) > 0
}

// hasOneOf reports whether a row may have one of the values.
func (x *Rows) hasOneOf(slot int, values []Value) bool {
	for len(x.bySlot) <= slot {
		x.bySlot, x.isOpen = append(x.bySlot, nil), append(x.isOpen, false)
	}
	if x.bySlot[slot] == nil {
		x.collect(slot)
	}
	if x.isOpen[slot] {
		return true
	}
	for i := range values {
		if _, found := x.bySlot[slot][values[i]]; found {
			return true
		}
	}
	return false
}

// collect collects the values of a field.
func (x *Rows) collect(slot int) {
	x.bySlot[slot] = make(map[Value]struct{}, len(x.rows))
	for _, r := range x.rows {
		if slot >= len(r.values) || r.values[slot].state == anything {
			x.isOpen[slot] = true
			return
		}
		x.bySlot[slot][r.values[slot]] = struct{}{}
	}
}

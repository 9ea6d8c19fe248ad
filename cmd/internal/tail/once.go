package tail

// onceFilter remembers printed events so that none is printed twice.
//
// Within a connection no event comes twice. After a reconnect the server sends every transaction
// that the cursor does not contain. A transaction whose last event did not arrive comes again as a
// whole, and several come in any order. The filter keeps the ids of their printed events.
type onceFilter struct {
	current map[int64]struct{} // printed, of the transaction that is arriving
	partial map[int64]struct{} // printed, of transactions that a broken connection cut; removed when they arrive again
}

func newOnceFilter() *onceFilter {
	return &onceFilter{current: make(map[int64]struct{}), partial: make(map[int64]struct{})}
}

// admit reports whether an event is to be printed, and remembers it.
func (f *onceFilter) admit(id int64) bool {
	_, printed := f.partial[id]
	delete(f.partial, id)
	f.current[id] = struct{}{} // also if it was printed: its transaction may be cut again
	return !printed
}

// completeTransaction forgets the current transaction, whose last event has arrived: the cursor
// contains it now.
func (f *onceFilter) completeTransaction() { clear(f.current) }

// disconnect moves the current transaction to the partial ones.
func (f *onceFilter) disconnect() {
	for id := range f.current {
		f.partial[id] = struct{}{}
	}
	clear(f.current)
}

// reset forgets everything: the server continues from its present head, and sends no earlier event.
func (f *onceFilter) reset() {
	clear(f.current)
	clear(f.partial)
}

// hasPartial reports whether a part of a transaction was printed.
func (f *onceFilter) hasPartial() bool { return len(f.current) > 0 }

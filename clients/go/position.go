package pgherald

// maxRecent is the number of events that a stream remembers for a server that says that events may come again.
const maxRecent = 1 << 16

// position is where a stream is: the cursor after the last complete transaction, and the events received since.
//
// Within a connection no event comes twice. After a reconnect the server sends every transaction that the cursor does
// not contain. A transaction whose last event did not arrive comes again as a whole, and several come in any order.
// A cursor without room for all that was received makes the server say that events repeat.
type position struct {
	cursor  string
	current map[int64]struct{} // received, of the transaction that is arriving
	partial map[int64]struct{} // received, of transactions that a broken connection cut; removed when they arrive again
	recent  []int64            // of complete transactions, in a ring
	oldest  int                // index in recent, once it is full
	repeats map[int64]struct{} // what recent held when the server said that events repeat; else nil
}

func newPosition(cursor string) *position {
	return &position{cursor: cursor, current: make(map[int64]struct{}), partial: make(map[int64]struct{})}
}

// admit reports whether an event is new, and remembers it.
func (p *position) admit(id int64) bool {
	_, isPartial := p.partial[id]
	_, isRepeated := p.repeats[id]
	delete(p.partial, id)
	delete(p.repeats, id)
	p.current[id] = struct{}{} // also if it is known: its transaction may be cut again
	return !isPartial && !isRepeated
}

// advance moves to the cursor of a complete transaction, and reports whether it is another one.
func (p *position) advance(cursor string) bool {
	if cursor == p.cursor || !isCursor(cursor) {
		return false
	}
	p.cursor = cursor
	for id := range p.current {
		p.remember(id)
	}
	clear(p.current)
	return true
}

func (p *position) remember(id int64) {
	if len(p.recent) < maxRecent {
		p.recent = append(p.recent, id)
		return
	}
	p.recent[p.oldest] = id
	p.oldest = (p.oldest + 1) % maxRecent
}

// interrupt records that the connection has ended: the present transaction comes again.
func (p *position) interrupt() {
	for id := range p.current {
		p.partial[id] = struct{}{}
	}
	p.discard()
}

// discard does the same for a consumer that has dropped the events of the present transaction.
func (p *position) discard() {
	clear(p.current)
	p.repeats = nil
}

// expectRepeats records that the server may send events again that it has sent before.
func (p *position) expectRepeats() {
	p.repeats = make(map[int64]struct{}, len(p.recent))
	for _, id := range p.recent {
		p.repeats[id] = struct{}{}
	}
}

// reset forgets all events: the server continues from its present head, and sends no earlier one.
func (p *position) reset() {
	clear(p.current)
	clear(p.partial)
	p.recent, p.oldest, p.repeats = nil, 0, nil
}

// isCursor reports whether s is safe in a request header.
func isCursor(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 4096
}

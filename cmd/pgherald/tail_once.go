package main

// onceGuard keeps an event from being printed twice. A transaction whose last event did not
// arrive is sent again as a whole after a reconnect, and possibly after others; what was printed
// of it is then passed over.
type onceGuard struct {
	open map[int64]struct{} // printed, of the transaction that is arriving
	torn map[int64]struct{} // printed, of transactions that broke off and did not come again yet
}

func newOnceGuard() *onceGuard {
	return &onceGuard{open: make(map[int64]struct{}), torn: make(map[int64]struct{})}
}

// fresh is true if the event has not been printed yet.
func (g *onceGuard) fresh(id int64) bool {
	_, printed := g.torn[id]
	delete(g.torn, id)
	g.open[id] = struct{}{} // also if printed: the transaction may break off again
	return !printed
}

// whole is to be called when a transaction's last event has arrived: it never comes again.
func (g *onceGuard) whole() { clear(g.open) }

// broken is to be called when the connection has broken.
func (g *onceGuard) broken() {
	for id := range g.open {
		g.torn[id] = struct{}{}
	}
	clear(g.open)
}

// forget is to be called when the server does not go on where it was: nothing comes again.
func (g *onceGuard) forget() {
	clear(g.open)
	clear(g.torn)
}

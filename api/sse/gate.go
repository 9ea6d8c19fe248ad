package sse

import "sync"

// gate counts who is inside. Unlike a sync.WaitGroup it can be waited for while others come, and it
// can be shut. The zero gate is open.
type gate struct {
	mu      sync.Mutex
	inside  int
	isShut  bool
	waiting []chan struct{} // closed once nobody is inside
}

// enter reports whether the gate was open. Whoever is in must leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isShut {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside > 0 {
		return
	}
	for _, c := range g.waiting {
		close(c)
	}
	g.waiting = nil
}

// shut lets nobody in any more.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut = true
}

// empty returns a channel that is closed at the next moment when nobody is inside.
func (g *gate) empty() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := make(chan struct{})
	if g.inside == 0 {
		close(c)
	} else {
		g.waiting = append(g.waiting, c)
	}
	return c
}

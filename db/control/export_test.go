package control

import (
	"context"
	"time"
)

// Turn is one turn of a presence's Run at the given time, with a sign of life.
func (p *Presence) Turn(ctx context.Context, now time.Time) error {
	_, err := p.turn(ctx, now, true)
	return err
}

// Replica is what the presence's server is called.
func (p *Presence) Replica() string { return p.replica }

// Known is how many users the presence remembers.
func (p *Presence) Known() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.users)
}

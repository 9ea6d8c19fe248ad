package control

import (
	"context"
	"time"
)

// Flush writes the changes up to the given time, with a heartbeat.
func (p *Presence) Flush(ctx context.Context, now time.Time) error {
	_, err := p.flush(ctx, now, true)
	return err
}

// ReplicaID returns the server's id in pgherald.replicas.
func (p *Presence) ReplicaID() string { return p.replica }

// KnownUsers returns the number of users in memory.
func (p *Presence) KnownUsers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.users)
}

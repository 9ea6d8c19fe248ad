package relay

import (
	"context"
	"errors"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Copier is a relay that a test lets go on step by step.
type Copier = copier

// NewCopier returns a relay with small limits.
func NewCopier(opts Options) *Copier {
	c := newCopier(opts)
	c.batchEntries, c.pageEntries, c.checkedEntries = 3, 2, 4
	return c
}

// Expire makes the next step look at the log's state and, if trim is set, remove old entries.
func (c *copier) Expire(trim bool) {
	c.boundsAt, c.closedAt = time.Time{}, time.Time{}
	if trim {
		c.trimAt = time.Time{}
	}
}

// Step does what Run does between two waits. After an error, the next step is of another session. It returns how often the store had lost
// something.
func (c *copier) Step(ctx context.Context, before func(*Copier)) (moved int) {
	var err error
	if c.number == 0 {
		err = c.open(ctx)
	}
	for repairs := 0; err == nil && repairs <= maxRepairs; repairs++ {
		before(c)
		if err = c.copy(ctx); err == nil {
			return moved
		}
		if errors.Is(err, ErrMoved) {
			moved++
		}
		err = c.repair(ctx, err)
	}
	c.batch, c.batched = nil, batched{}
	c.number = 0
	return moved
}

// SetEpoch is the sabotage of a relay that goes on after a recovery as if nothing was lost.
func (c *copier) SetEpoch(epoch string) {
	if c.cursor.Epoch() != epoch {
		c.cursor = stream.NewCursor(epoch, c.cursor.Next(), c.cursor.Holes()).WithLSN(c.cursor.LSN())
	}
}

// SetPage sets the number of entries in a page.
func (l *Log) SetPage(entries int) { l.pageEntries = entries }

// Epoch returns the present epoch of the stream.
func (l *Log) Epoch() string {
	st, _ := l.state(context.Background())
	return st.epoch()
}

// Voids returns the number of void entries.
func (l *Log) Voids() (n int) {
	st, _ := l.state(context.Background())
	for number := uint64(1); number <= st.Number; number++ {
		if st.enclosing(number) != nil {
			n++
		}
	}
	return n
}

package stream

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// resolveTimeout bounds how long a client's cursor may wait until the servers have recorded what they know after
// a recovery. A busy server may take seconds to connect again, and the client's stream must not be silent for 10 s.
const (
	resolveTimeout = 8 * time.Second
	resolveTick    = 100 * time.Millisecond
)

// copyMargin is how long after a question the copy of a log must have been complete to answer it: the read that says so may have begun
// before the question.
const copyMargin = time.Second

// proof says what a look at the lineage has shown about a cursor.
type proof int

const (
	proofFound    proof = iota
	proofMissing        // there is none
	proofExpected       // another server may not have recorded yet what survived
	proofUnknown        // a copy of the log may not know the recovery yet that another server has followed
)

// settle returns c in the feed's epoch. If the feed is about to follow a recovery, settle waits for that. If the proof
// for c may still come from another server, or the recovery itself from the log that is copied, it waits for that too. It returns
// ErrOtherLog if there is no proof.
func (f *Feed) settle(ctx context.Context, c Cursor, isRefused bool) (Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	tick := time.NewTicker(resolveTick)
	defer tick.Stop()
	since, last := time.Now(), proofFound
	for {
		changed := f.Changed()
		resolved, found, err := f.resolve(ctx, c, since)
		switch {
		case err != nil && ctx.Err() == nil:
			return c, err
		case err != nil: // the time is over, so what counts is the look before
		case found == proofFound && resolved.epoch == f.Head().epoch && (!isRefused || resolved.epoch != c.epoch):
			return resolved, nil
		case found == proofMissing:
			return c, ErrOtherLog
		default:
			last = found
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
		}
		switch {
		case ctx.Err() == nil:
		case last == proofExpected:
			return c, ErrOtherLog
		default:
			return c, fmt.Errorf("wait until the feed follows a recovery: %w", ctx.Err())
		}
	}
}

// resolve returns c in the present epoch of the log, and what is known of the proof. It reads the lineage at most once in a tick, and not
// again once the servers have recorded what they know.
func (f *Feed) resolve(ctx context.Context, c Cursor, since time.Time) (Cursor, proof, error) {
	l := &f.lineage
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) > 0 && l.last[0].Epoch == f.Head().epoch && l.last[0].Age >= resolveTimeout {
		if resolved, ok := l.last.Resolve(c); ok && resolved.epoch != c.epoch {
			return resolved, proofFound, nil
		}
	}
	if l.at.IsZero() || time.Since(l.at) > resolveTick {
		if l.last, l.err = f.log.Lineage(ctx); ctx.Err() != nil { // the client has gone: that is no answer for others
			l.last, l.at = nil, time.Time{}
			return c, proofMissing, ctx.Err()
		}
		l.at = time.Now()
	}
	if l.err != nil {
		return c, proofMissing, l.err
	}
	resolved, ok := l.last.Resolve(c)
	path, isAncestor := l.last.Since(c.epoch)
	switch {
	case ok:
		return resolved, proofFound, nil
	case isAncestor && len(path) > 0 && l.last[0].Age+time.Since(l.at) < resolveTimeout:
		return c, proofExpected, nil
	case !isAncestor && f.mayLack(since):
		return c, proofUnknown, nil
	}
	return c, proofMissing, nil
}

// mayLack reports whether the log is a copy that was last known to be complete before, or shortly after, a time.
func (f *Feed) mayLack(since time.Time) bool {
	l, ok := f.log.(Delayed)
	return ok && !time.Now().Add(-l.Delay()).After(since.Add(copyMargin))
}

// lineageCache holds the lineage as last read.
type lineageCache struct {
	mu   sync.Mutex
	last Lineage
	err  error
	at   time.Time
}

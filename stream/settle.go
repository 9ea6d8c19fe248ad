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

// settle returns c in the feed's epoch. If the feed is about to follow a recovery, settle waits for that. If the proof
// for c may still come from another server, it waits for that too. It returns ErrOtherLog if there is no
// proof.
func (f *Feed) settle(ctx context.Context, c Cursor, isRefused bool) (Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	tick := time.NewTicker(resolveTick)
	defer tick.Stop()
	isUnproven := false // as last looked
	for {
		changed := f.Changed()
		resolved, ok, isRecent, err := f.resolve(ctx, c)
		switch {
		case err != nil && ctx.Err() == nil:
			return c, err
		case err != nil: // the time is over, so what counts is the look before
		case ok && resolved.epoch == f.Head().epoch && (!isRefused || resolved.epoch != c.epoch):
			return resolved, nil
		case !ok && !isRecent:
			return c, ErrOtherLog
		default:
			isUnproven = !ok
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
		}
		switch {
		case ctx.Err() == nil:
		case isUnproven:
			return c, ErrOtherLog
		default:
			return c, fmt.Errorf("wait until the feed follows a recovery: %w", ctx.Err())
		}
	}
}

// resolve returns c in the present epoch of the log, and false if there is no proof. It reads the lineage at most
// once in a tick, and not again once the servers have recorded what they know. isRecent says that other servers may not
// have recorded yet what survived.
func (f *Feed) resolve(ctx context.Context, c Cursor) (resolved Cursor, ok, isRecent bool, err error) {
	l := &f.lineage
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) > 0 && l.last[0].Epoch == f.Head().epoch && l.last[0].Age >= resolveTimeout {
		if resolved, ok := l.last.Resolve(c); ok && resolved.epoch != c.epoch {
			return resolved, true, false, nil
		}
	}
	if l.at.IsZero() || time.Since(l.at) > resolveTick {
		if l.last, l.err = f.log.Lineage(ctx); ctx.Err() != nil { // the client has gone: that is no answer for others
			l.last, l.at = nil, time.Time{}
			return c, false, false, ctx.Err()
		}
		l.at = time.Now()
	}
	if l.err != nil {
		return c, false, false, l.err
	}
	if path, isAncestor := l.last.Since(c.epoch); isAncestor && len(path) > 0 {
		isRecent = l.last[0].Age+time.Since(l.at) < resolveTimeout
	}
	resolved, ok = l.last.Resolve(c)
	return resolved, ok, isRecent, nil
}

// lineageCache holds the lineage as last read.
type lineageCache struct {
	mu   sync.Mutex
	last Lineage
	err  error
	at   time.Time
}

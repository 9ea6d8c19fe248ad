package server

import (
	"context"
	"errors"
	"time"
)

// A client that names what this server does not know may know it from another server, which has followed an apply already.
// So the server looks at the catalog again before it says that there is no such thing.

const (
	// minLookInterval is the shortest time between two checks that clients and applies cause. Within it, what the last check
	// saw is taken for what there is.
	minLookInterval = time.Second

	// settleTimeout bounds the wait of a client for a check.
	settleTimeout = 2500 * time.Millisecond
)

// The reasons for which a server cannot tell what there is.
var (
	errNotLooked = errors.New("it has not looked at the database yet, try again in a moment")
	errOtherSpec = errors.New("another state of the spec is installed than it has, so ask another server")
)

// look says what the server follows.
type look struct {
	began time.Time // of the last check after which the server shows what there was
	// isCurrent says that the server's spec is the one that was applied last.
	isCurrent bool
	next      chan struct{} // closed after the next check, also after one that failed
}

// looked returns the last look.
func (w *watcher) looked() look {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.look
}

// endLook notes the end of a check, and wakes those who wait for it.
func (w *watcher) endLook(began time.Time, isCurrent, succeeded bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if succeeded {
		w.look.began, w.look.isCurrent = began, isCurrent
	}
	close(w.look.next)
	w.look.next = make(chan struct{})
}

// Settle returns nil once the server shows what there was when Settle was called, or shortly before. It returns an error if
// that takes too long, or if the server cannot know it.
func (w *watcher) Settle(ctx context.Context) error {
	since := time.Now().Add(-minLookInterval)
	timeout := time.NewTimer(settleTimeout)
	defer timeout.Stop()
	for {
		l := w.looked()
		if l.began.After(since) {
			if !l.isCurrent {
				return errOtherSpec
			}
			return nil
		}
		w.lookSoon()
		select {
		case <-l.next:
		case <-timeout.C:
			return errNotLooked
		case <-ctx.Done():
			return errNotLooked
		}
	}
}

// lookInterval returns the shortest time to the next check: longer after one that failed, as in an outage.
func (w *watcher) lookInterval() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing {
		return minCheckInterval
	}
	return minLookInterval
}

// lookSoon asks for a check within minLookInterval. It does not block.
func (w *watcher) lookSoon() {
	select {
	case w.requested <- struct{}{}:
	default:
	}
}

// applied notes that triggers have changed, as a notification says: the server follows before it checks them.
func (w *watcher) applied() {
	w.isApplied.Store(true)
	w.lookSoon()
}

// pause waits until the next check is due: at the interval, or sooner on request. It returns false if ctx ends first.
func (w *watcher) pause(ctx context.Context, interval <-chan time.Time) bool {
	shortest := time.NewTimer(min(w.lookInterval(), w.interval))
	defer shortest.Stop()
	early := time.NewTimer(min(minCheckInterval, w.interval))
	defer early.Stop()
	var requested, woken <-chan struct{} // nil until they count
	var due <-chan time.Time
	for {
		select {
		case <-shortest.C:
			requested, due = w.requested, interval
		case <-early.C:
			woken = w.woken
		case <-requested:
			return true
		case <-due:
			return true
		case <-woken:
			if time.Since(w.forgot) >= w.interval { // a trigger may fail for every row
				w.inspector.Forget() // what it could not do may depend on more than its table
				w.forgot = time.Now()
			}
			return true
		case <-ctx.Done():
			return false
		}
	}
}

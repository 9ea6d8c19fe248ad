// Package relaytest has a model of a stream store, in memory.
package relaytest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream/relay"
)

// ErrDown is the error of a fault.
var ErrDown = errors.New("the store does not answer")

// Store is a relay.Store in memory. It is safe for concurrent use.
type Store struct {
	mu      sync.Mutex
	now     content
	changed chan struct{} // closed at the next write
	past    []content     // after each write, if Keep is set

	// Keep makes Restore possible.
	Keep bool
	// Fault is called before and after each call that writes. An error of the first is a call that did not happen; one of the second, a call
	// whose answer was lost. Nil means no faults.
	Fault func(isDone bool) error
	// IgnoresTerm, IgnoresLast and IgnoresToken leave out checks of a write, to show that tests notice that.
	IgnoresTerm, IgnoresLast, IgnoresToken bool
}

// content holds the entries of a store and its state. It is immutable, apart from appends behind its entries.
type content struct {
	state          relay.State
	first          uint64 // the number of entries[0]
	entries        [][]byte
	infoAt, markAt time.Time
}

var _ relay.Store = (*Store)(nil)

// NewStore returns an empty store.
func NewStore() *Store { return &Store{changed: make(chan struct{})} }

// Writes returns how many contents Restore can choose from.
func (s *Store) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.past)
}

// Restore makes the store as it was after a write: it has lost what came later, as after a crash, or an old dump was restored.
func (s *Store) Restore(write int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.past[write]
	s.now.entries = slices.Clip(s.now.entries)
}

// Empty removes everything.
func (s *Store) Empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = content{}
}

// State implements relay.Entries.
func (s *Store) State(context.Context) (relay.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.stateAt(time.Now()), nil
}

func (c *content) stateAt(now time.Time) relay.State {
	st := c.state
	st.InfoAge, st.MarkAge = now.Sub(c.infoAt), now.Sub(c.markAt)
	return st
}

// Range implements relay.Entries.
func (s *Store) Range(_ context.Context, from uint64, most int, bytes int64) (relay.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.page(from, most, bytes), nil
}

// Look implements relay.Entries.
func (s *Store) Look(_ context.Context, from uint64, most int, bytes int64) (relay.State, relay.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.stateAt(time.Now()), s.now.page(from, most, bytes), nil
}

func (c *content) page(from uint64, most int, bytes int64) relay.Page {
	found := relay.Page{Fork: c.state.Fork}
	for number := from; len(found.Entries) < most && bytes > 0; number++ {
		number = max(number, c.first)
		i := number - c.first
		if i >= uint64(len(c.entries)) {
			break
		}
		found.Entries = append(found.Entries, relay.Stored{Number: number, Data: c.entries[i]})
		bytes -= int64(len(c.entries[i]))
	}
	return found
}

// Wait implements relay.Entries.
func (s *Store) Wait(ctx context.Context, after uint64) error {
	s.mu.Lock()
	changed, last := s.changed, s.now.state.Number
	s.mu.Unlock()
	if last > after {
		return nil
	}
	timer := time.NewTimer(500 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Claim implements relay.Store.
func (s *Store) Claim(_ context.Context, w relay.Writer, fork string) (relay.State, error) {
	err := s.write(w, func(c *content) error {
		c.state.Writer, c.state.Fork = w, fork
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.stateAt(time.Now()), err
}

// Append implements relay.Store.
func (s *Store) Append(_ context.Context, w relay.Writer, last relay.Last, a relay.Appended) error {
	return s.write(w, func(c *content) error {
		if isLast := c.state.Number == last.Number && (c.state.Token == last.Token || s.IgnoresToken); !isLast && !s.IgnoresLast {
			return relay.ErrMoved
		}
		c.state.Writer = w
		c.entries = append(c.entries, a.Entries...)
		c.state.Number += uint64(len(a.Entries))
		c.state.Token = a.Token
		c.state.Whole = min(a.Whole, c.state.Number)
		c.describe(&a)
		return nil
	})
}

// Begin implements relay.Store.
func (s *Store) Begin(_ context.Context, w relay.Writer, a relay.Appended) error {
	return s.write(w, func(c *content) error {
		markAt := c.markAt
		last := relay.Last{Number: uint64(len(a.Entries)), Token: a.Token}
		*c = content{state: relay.State{Writer: w, Last: last, Fork: a.Token, Whole: a.Whole}, first: 1, entries: slices.Clone(a.Entries)}
		c.describe(&a)
		c.markAt = markAt
		return nil
	})
}

// Trim implements relay.Store.
func (s *Store) Trim(_ context.Context, w relay.Writer, below uint64) error {
	return s.write(w, func(c *content) error {
		if n := min(below-min(below, c.first), uint64(len(c.entries))); n > 0 {
			c.entries, c.first = c.entries[n:], c.first+n
		}
		return nil
	})
}

func (c *content) describe(a *relay.Appended) {
	if a.Info != nil {
		c.state.Info, c.infoAt = *a.Info, time.Now()
	}
	if a.Mark != nil {
		c.state.Mark, c.markAt = *a.Mark, time.Now()
	}
}

// write changes the content if the writer is the present one.
func (s *Store) write(w relay.Writer, change func(*content) error) error {
	if s.Fault != nil {
		if err := s.Fault(false); err != nil {
			return err
		}
	}
	err := s.change(w, change)
	if err == nil && s.Fault != nil {
		return s.Fault(true)
	}
	return err
}

func (s *Store) change(w relay.Writer, change func(*content) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	present := s.now.state.Writer
	if isStale := w.Term < present.Term || w.Term == present.Term && w.Owner != present.Owner; isStale && !s.IgnoresTerm {
		return relay.ErrStale
	}
	next := s.now
	if err := change(&next); err != nil {
		return err
	}
	s.now = next
	if s.Keep {
		s.past = append(s.past, next)
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

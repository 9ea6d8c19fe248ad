package pgherald

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// Collection holds rows that stay equal to the database while an iterator of Changes runs. Only one may run at a time.
// The other methods may be called by any goroutine.
type Collection struct {
	client *Client
	name   string
	query  Query

	mu       sync.Mutex
	rows     map[string]json.RawMessage // by key
	keys     []string                   // in the order of the query, if it has one or a limit
	hasMore  bool
	isStale  bool
	loadedAt time.Time // of all rows
}

// Change holds what a transaction, or a load of all rows, changes. Apply it to a copy of the rows, and the copy stays
// equal to the collection.
type Change struct {
	Put     map[string]json.RawMessage // new rows and new states of rows, by key
	Deleted []string                   // keys of rows that are gone, no longer match, or no longer are among the first
	Loaded  bool                       // the rows were loaded, at first or again; Put and Deleted say what differs
	Stale   bool                       // the rows may be older than the database
	Xids    []string                   // the transactions whose changes are in the rows now
	Cursor  string                     // of the state that the rows show
}

// Collection returns the rows of a collection that a query selects. They are loaded by Changes.
func (c *Client) Collection(name string, q Query) *Collection {
	q.Limit = min(max(q.Limit, 0), maxLimit)
	return &Collection{client: c, name: name, query: q, isStale: true}
}

// Rows returns a copy of the rows by key.
func (c *Collection) Rows() map[string]json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.rows)
}

// All yields the rows in the order of the query, and in any order if it has neither Order nor Limit.
func (c *Collection) All() iter.Seq2[string, json.RawMessage] {
	c.mu.Lock()
	rows, keys := maps.Clone(c.rows), slices.Clone(c.keys)
	c.mu.Unlock()
	if c.query.isSet() {
		return maps.All(rows)
	}
	return func(yield func(string, json.RawMessage) bool) {
		for _, key := range keys {
			if !yield(key, rows[key]) {
				return
			}
		}
	}
}

// HasMore reports whether the limit leaves out rows.
func (c *Collection) HasMore() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hasMore
}

// Row returns the row with a key, or nil.
func (c *Collection) Row(key string) json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rows[key]
}

// IsStale reports whether the rows may be older than the database: before the first load, during another one, and
// while the server cannot read the database. Options.OnStatus says when a connection is lost.
func (c *Collection) IsStale() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isStale
}

// errReload says that the rows must be loaded again.
var errReload = errors.New("load the rows again")

// Changes loads the rows, and follows them until ctx ends. It yields the first load, each transaction that concerns
// the rows, each further load, and the beginning and end of a time in which they are stale. An error is the last item:
// ctx's, or one that another attempt would not cure.
func (c *Collection) Changes(ctx context.Context) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		pass := func(change *Change) error {
			if !yield(change, nil) {
				return errStopped
			}
			return nil
		}
		for soon := 0; ; {
			err := c.loadAndFollow(ctx, pass)
			c.setStale(true)
			if errors.Is(err, errReload) {
				if err = c.waitToReload(ctx, &soon); err == nil {
					continue
				}
			}
			if !errors.Is(err, errStopped) {
				yield(nil, err)
			}
			return
		}
	}
}

// minReload is the time after a load in which another one is delayed.
const minReload = 5 * time.Second

// waitToReload delays a load that comes soon after another, and the more of them there were: a server that answers
// every cursor with a reset must not make the client spin.
func (c *Collection) waitToReload(ctx context.Context, soon *int) error {
	if time.Since(c.loadedAt) >= minReload {
		*soon = 0
		return nil
	}
	*soon++
	return sleep(ctx, c.client.backoff(0, *soon))
}

func (c *Collection) loadAndFollow(ctx context.Context, pass func(*Change) error) error {
	loaded, err := retried(ctx, c.client, func() (*loading, error) { return c.load(ctx) })
	if err != nil {
		return err
	}
	c.setStale(false)
	change := c.show(loaded)
	change.Loaded, change.Cursor, c.loadedAt = true, loaded.cursor, loaded.at
	if err := pass(change); err != nil {
		return err
	}
	stream := c.client.Stream(Filter{Collection: c.name, Where: c.query.Where, Any: c.query.Any, Since: loaded.cursor})
	for events, err := range stream.Transactions(ctx) {
		if err != nil {
			return err
		}
		change, err := c.follow(ctx, loaded, events)
		if err != nil {
			return err
		}
		if change == nil {
			continue
		}
		change.Cursor = stream.Cursor()
		if err := pass(change); err != nil {
			return err
		}
	}
	return errStopped
}

// follow applies what a stream has yielded at once. It returns nil if that changes nothing.
func (c *Collection) follow(ctx context.Context, l *loading, events []*Event) (*Change, error) {
	if sync := events[0].Sync; sync != nil {
		return c.sync(sync)
	}
	if events[0].IsHeartbeat {
		return nil, nil
	}
	var change *Change
	if states, err := c.states(ctx, l, events); err != nil {
		return nil, err
	} else if l.window == nil {
		change = c.apply(states)
	} else {
		l.window.apply(states)
		if err := c.ensureWindow(ctx, l, events); err != nil {
			return nil, err
		}
		change = c.show(l)
	}
	change.Xids = xidsOf(events)
	return change, nil
}

// states returns the state of each row that events concern, unless the rows that were loaded show it already.
func (c *Collection) states(ctx context.Context, l *loading, events []*Event) (map[string]rowState, error) {
	states, err := statesAfter(l.without(events), l.isField)
	if err != nil {
		return nil, err
	}
	for key, state := range states {
		if !state.isMissing {
			continue
		}
		row, err := retried(ctx, c.client, func() (json.RawMessage, error) { return c.fetch(ctx, l, key) })
		if err != nil {
			return nil, err
		}
		states[key] = rowState{row: row}
	}
	return states, nil
}

const (
	minWindowReload  = time.Second // between two loads of a window
	maxWindowReloads = 10          // until the first one that has a transaction
)

// ensureWindow loads the list again while only the database knows which rows the window shows. The stream goes on: what
// the new list contains is skipped.
func (c *Collection) ensureWindow(ctx context.Context, l *loading, events []*Event) error {
	isStale := c.IsStale()
	for range maxWindowReloads {
		if !l.window.needsReload() {
			c.setStale(isStale)
			return nil
		}
		if err := sleep(ctx, time.Until(l.at.Add(minWindowReload))); err != nil {
			return err
		}
		next, err := retried(ctx, c.client, func() (*loading, error) { return c.load(ctx) })
		if err != nil {
			return err
		}
		*l = *next
		// An event without a number is older than the list, since it came before.
		rest := slices.DeleteFunc(slices.Clone(events), func(e *Event) bool { return e.Xid == "" })
		states, err := c.states(ctx, l, rest)
		if err != nil {
			return err
		}
		l.window.apply(states)
	}
	return errReload
}

// sync applies the state of the stream.
func (c *Collection) sync(s *Sync) (*Change, error) {
	wasStale := c.IsStale()
	switch s.Mode {
	case ModeReset:
		return nil, errReload
	case ModeStale:
		c.setStale(true)
	case ModeLive, ModeResumed:
		c.setStale(false)
	}
	if c.IsStale() == wasStale {
		return nil, nil
	}
	return &Change{Stale: !wasStale}, nil
}

func (c *Collection) setStale(isStale bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isStale = isStale
}

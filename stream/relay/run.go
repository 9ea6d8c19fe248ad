package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/backoff"
)

// Source is a log that can be copied.
type Source interface {
	stream.Log
	// Bounds returns the horizon, below which transactions may have been pruned, and an id from which on none has begun.
	Bounds(ctx context.Context) (prunedBelow, next uint64, err error)
}

// Options configure Run. Log, Store and Writer are required.
type Options struct {
	Log    Source
	Store  Store
	Writer Writer
	// Wake receives a signal when the log may have new events. Nil means that only Interval counts.
	Wake <-chan struct{}
	// Interval is the longest time between two reads of the log; 500 ms if 0.
	Interval time.Duration
	// MaxBytes bounds the events of the stream: the oldest are removed; 1 GiB if 0.
	MaxBytes int64
	// Progress counts what Run does. Nil counts nothing.
	Progress *Progress
	// Logger receives repairs; nil discards them.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Interval <= 0 {
		o.Interval = 500 * time.Millisecond
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// The size of a write.
const (
	batchEntries = 500
	batchBytes   = 1 << 20
)

// boundsInterval is the time between two looks at the horizon and the recoveries of the log.
const boundsInterval = time.Second

// trimInterval is the time between two removals of old entries.
const trimInterval = 10 * time.Second

// copier copies a log into a store.
type copier struct {
	Options
	// Limits, which tests set to small values.
	batchEntries, pageEntries int
	checkedEntries            uint64

	info    Info
	number  uint64 // of the last entry that was written
	token   string // of the last write
	session string
	writes  uint64        // of the session: each has another token
	last    Entry         // without events
	whole   uint64        // of the last entry that ends a transaction
	cursor  stream.Cursor // after it

	batch     [][]byte // not yet written
	batched   batched
	mark      Mark
	boundsAt  time.Time
	trimAt    time.Time
	untrimmed int64     // the bytes that were written since
	closedAt  time.Time // when holes were last closed
}

func newCopier(opts Options) *copier {
	return &copier{Options: opts.withDefaults(), session: rand.Text(), batchEntries: batchEntries, pageEntries: pageEntries, checkedEntries: checkedEntries}
}

// batched describes the copier after the batch was written.
type batched struct {
	bytes  int
	events int
	last   Entry
	whole  uint64
	cursor stream.Cursor
}

// Run copies the log until ctx ends. It returns an error that wraps ErrStale if another relay has begun, and otherwise that of the log or of
// the store: the caller may try again.
func Run(ctx context.Context, opts Options) error {
	c := newCopier(opts)
	if err := c.open(ctx); err != nil {
		return err
	}
	for repairs := 0; ; {
		err := c.copy(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			repairs = 0
			_ = backoff.SleepUntil(ctx, c.Interval, c.Wake) // copy looks at ctx
			continue
		case repairs == maxRepairs:
			return err
		}
		repairs++
		if err := c.repair(ctx, err); err != nil {
			return err
		}
	}
}

// maxRepairs is the number of repairs in a row without a whole read of the log, after which Run gives up.
const maxRepairs = 3

// repair makes the stream one that the log can continue, if the error says that it is not. Otherwise it returns the error.
func (c *copier) repair(ctx context.Context, err error) error {
	c.batch, c.batched = nil, batched{}
	switch {
	case errors.Is(err, ErrMoved):
		c.Logger.Warn("the stream does not end with what was written last: it is continued from its last entry", "last", c.number)
		c.Progress.repairs.Add(1)
		return c.open(ctx)
	case errors.Is(err, stream.ErrOtherLog):
		err = c.follow(ctx)
		if errors.Is(err, ErrMoved) {
			return c.repair(ctx, err)
		}
	}
	if errors.Is(err, stream.ErrOtherLog) || errors.Is(err, stream.ErrPruned) || errors.Is(err, stream.ErrFuture) {
		return c.begin(ctx, err.Error())
	}
	return err
}

// open finds out where the stream ends.
func (c *copier) open(ctx context.Context) error {
	if err := c.refuseForeign(ctx); err != nil {
		return err
	}
	st, err := c.Store.Claim(ctx, c.Writer, c.nextToken())
	if err != nil {
		return fmt.Errorf("take the stream: %w", err)
	}
	if st.Number == 0 || len(st.Changes) == 0 {
		return c.begin(ctx, "it is empty")
	}
	last, err := entryAt(ctx, c.Store, st.Number)
	if err != nil {
		return c.beginIfUnreadable(ctx, err)
	}
	number, whole := st.Number, last
	c.token = st.Token
	if last.More {
		number = st.down(number - min(last.Part+1, number-1))
		if whole, err = entryAt(ctx, c.Store, number); err != nil {
			return c.beginIfUnreadable(ctx, err)
		}
	}
	last.Events, whole.Events = nil, nil
	c.info, c.number, c.last, c.whole, c.cursor = st.Info, st.Number, last, number, whole.Cursor
	c.mark = st.Mark
	c.boundsAt = time.Time{}
	c.Logger.Info("stream continued", "entry", c.number, "cursor", c.cursor.String())
	return nil
}

// beginIfUnreadable begins the stream anew if its end is not what a relay has written.
func (c *copier) beginIfUnreadable(ctx context.Context, err error) error {
	if errors.Is(err, errMalformed) || errors.Is(err, errTrimmed) {
		return c.begin(ctx, err.Error())
	}
	return err
}

// copy appends what the log has behind the stream, and then marks the time.
func (c *copier) copy(ctx context.Context) error {
	if err := c.look(ctx); err != nil {
		return err
	}
	if c.last.More {
		if err := c.complete(ctx); err != nil {
			return err
		}
	}
	r, err := c.Log.Read(ctx, c.cursor)
	if err != nil {
		return err
	}
	for {
		t, err := r.Next(ctx, stream.Interest{Everything: true})
		if stream.IsEnd(err) {
			return c.end(ctx, r.Cursor())
		}
		if err != nil {
			return err
		}
		if err := c.add(ctx, &t); err != nil {
			return err
		}
	}
}

// complete appends the rest of a transaction that an earlier relay has appended in part.
func (c *copier) complete(ctx context.Context) error {
	xid, after := c.last.XID, c.last.Cursor
	r, err := c.Log.ReadTransaction(ctx, after.Epoch(), xid, c.last.LastID)
	if err != nil {
		return err
	}
	for c.last.More {
		t, err := r.Next(ctx, stream.Interest{Everything: true})
		if stream.IsEnd(err) {
			t, err = stream.Transaction{XID: xid}, nil
		}
		if err != nil {
			return err
		}
		t.Cursor = after
		if err := c.add(ctx, &t); err != nil {
			return err
		}
		if err := c.flush(ctx, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// add adds a transaction, or a part of one, to the batch, and writes it if it is large.
func (c *copier) add(ctx context.Context, t *stream.Transaction) error {
	before := c.newest()
	e := Entry{Cursor: t.Cursor, XID: t.XID, More: t.More, Events: t.Events, LastID: before.LastID}
	if before.More {
		e.Part = before.Part + 1
	}
	if n := len(t.Events); n > 0 {
		e.LastID = t.Events[n-1].ID
	}
	c.put(e)
	if len(c.batch) < c.batchEntries && c.batched.bytes < batchBytes {
		return nil
	}
	if err := c.flush(ctx, nil, nil); err != nil {
		return err
	}
	return c.trimWithin(ctx)
}

// end writes the rest of a read of the log, and that it has ended.
func (c *copier) end(ctx context.Context, after stream.Cursor) error {
	cursor := c.cursor
	if len(c.batch) > 0 {
		cursor = c.batched.cursor
	}
	// Holes whose transactions have ended without events: an old one would keep a cursor from being resumed.
	if isIdle := len(c.batch) == 0; isIdle && !after.Equal(cursor) && time.Since(c.closedAt) >= boundsInterval {
		c.put(Entry{Cursor: after, LastID: c.last.LastID})
		c.closedAt = time.Now()
	}
	mark := c.mark
	return c.flush(ctx, nil, &mark)
}

package stream

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// FeedOptions are the bounds of a feed. Zero values mean the defaults.
type FeedOptions struct {
	// Bytes is about how much memory the feed's events may take; 64 MiB if 0. A transaction
	// that alone is larger stays in the log and is read from there.
	Bytes int64
	// Fill is how many of the newest events are read into the feed at start, so that clients
	// resume from memory after a restart; 50,000 if 0.
	Fill int
	// Replays is how many subscriptions may read from the log at the same time; 4 if 0.
	CatchUps int
	// OnEvent is told of each event that Follow has read, on its goroutine: it must not block.
	OnEvent func(*Event)
	// Logger is told of resets and outages.
	Logger *slog.Logger
}

func (o FeedOptions) withDefaults() FeedOptions {
	if o.Bytes <= 0 {
		o.Bytes = 64 << 20
	}
	if o.Fill <= 0 {
		o.Fill = 50_000
	}
	if o.CatchUps <= 0 {
		o.CatchUps = 4
	}
	if o.OnEvent == nil {
		o.OnEvent = func(*Event) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Feed is the newest part of the log in memory, encoded once and shared by all subscriptions.
// It knows no subscriber: those read from it at their own pace, and wait on Changed.
//
// See the package documentation for what it promises.
type Feed struct {
	log     Log
	opts    FeedOptions
	replays chan struct{} // a slot for each that reads from the log
	began   time.Time
	asked   atomic.Int64 // when Follow has asked the log what it waits for, in ns since began; 0 if nothing

	mu         sync.RWMutex
	ring       *ring         // guarded by mu, as are those below
	generation uint64        // how often the feed was replaced
	reason     ResetReason   // why it was last replaced
	changed    chan struct{} // closed at the next change
	stats      FeedStats
	outage     error // why the log cannot be read, nil if it can
}

// FeedStats says where a feed stands.
type FeedStats struct {
	Cursor       string `json:"cursor"`       // its end
	Floor        string `json:"floor"`        // its beginning: older cursors resume from the log
	Transactions int    `json:"transactions"` // held in memory
	Bytes        int64  `json:"bytes"`        // about the memory they take
	Limit        int64  `json:"limit"`        // and may take
	Events       uint64 `json:"events"`       // appended since start
	Withheld     uint64 `json:"withheld"`     // of them, those whose audience is nobody: none could be computed
	Resets       uint64 `json:"resets"`       // times that every client had to start anew
	Unannounced  uint64 `json:"unannounced"`  // events found without a notification: should stay 0
	CatchUps     uint64 `json:"catchUps"`     // subscriptions that had to read from the log
}

// NewFeed returns a feed of the log. It is empty until Fill has filled it.
func NewFeed(log Log, opts FeedOptions) *Feed {
	opts = opts.withDefaults()
	return &Feed{
		log:     log,
		began:   time.Now(),
		opts:    opts,
		replays: make(chan struct{}, opts.CatchUps),
		ring:    newRing(opts.Bytes, Cursor{}),
		changed: make(chan struct{}),
	}
}

// Changed returns a channel that is closed when there is more to read than there was at the
// time of the call. Call it before Subscription.Due, or the change in between is missed.
func (f *Feed) Changed() <-chan struct{} {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.changed
}

// Head is the cursor of someone who has read the whole feed.
func (f *Feed) Head() Cursor {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.ring.head
}

// Err is why the log cannot be read at present, nil if it can. A log that keeps us waiting cannot:
// its connection may be dead, and only a time-out will tell.
func (f *Feed) Err() error {
	f.mu.RLock()
	outage := f.outage
	f.mu.RUnlock()
	if asked := f.asked.Load(); outage == nil && asked != 0 {
		if waited := time.Duration(f.now() - asked); waited > answerPatience {
			return fmt.Errorf("the log has not answered for %v", waited.Round(time.Second))
		}
	}
	return outage
}

// now is above 0, and knows nothing of the time of day, which is set now and then.
func (f *Feed) now() int64 { return int64(time.Since(f.began)) + 1 }

// Stats says where the feed stands.
func (f *Feed) Stats() FeedStats {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := f.stats
	s.Cursor, s.Floor = f.ring.head.String(), f.ring.floor.String()
	s.Transactions, s.Bytes, s.Limit = len(f.ring.entries), f.ring.size+f.ring.indexed.Load(), f.ring.limit
	return s
}

// push appends the entries and wakes everyone once.
func (f *Feed) push(entries []*entry, events int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range entries {
		f.ring.push(e)
		f.stats.Withheld += uint64(e.withheld)
	}
	f.stats.Events += uint64(events)
	f.wake()
}

// settle moves the end of the feed to a cursor that has seen the same events and knows of fewer
// open transactions.
func (f *Feed) settle(head Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring.head = head
}

// replace puts another ring in the place of the one there was. Subscriptions learn of it at
// their next Due, with the reason.
func (f *Feed) replace(r *ring, reason ResetReason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.first += f.ring.end()
	f.ring = r
	if reason != "" {
		f.generation++
		f.reason = reason
		f.stats.Resets++
	}
	f.wake()
}

// wake must be called with mu held for writing.
func (f *Feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// replaying waits for a slot to read from the log; the caller must call the returned function
// when the query is done.
func (f *Feed) replaying(ctx context.Context) (func(), error) {
	select {
	case f.replays <- struct{}{}:
		return func() { <-f.replays }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

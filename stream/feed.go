package stream

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/pacing"
)

// FeedOptions bound a feed. Zero values mean the defaults.
type FeedOptions struct {
	// Bytes bounds the estimated memory of the feed's events; 64 MiB if 0. A transaction that alone
	// is larger stays in the log, and subscriptions read it from there.
	Bytes int64
	// Fill is the number of the newest events that the feed reads at start, so that clients resume
	// from memory after a restart; 50,000 if 0.
	Fill int
	// CatchUpQueries limits the queries that subscriptions run on the log at the same time; 4 if 0.
	CatchUpQueries int
	// CatchUpBytes bounds the memory of what subscriptions read from the log; 64 MiB if 0.
	CatchUpBytes int64
	// PageBytes bounds the memory of what a Reading fetches at a time; 6 MiB if 0.
	PageBytes int64
	// FilterBytes bounds the memory of the larger filters of all streams; 32 MiB if 0.
	FilterBytes int64
	// Collections are those that clients may select; nil means none.
	Collections *collection.Set
	// StaleAfter is how long after the last successful read the feed is stale; pacing.StaleAfter if 0.
	StaleAfter time.Duration
	// OnEvent receives each event that Run has read, on Run's goroutine. It must not block.
	OnEvent func(*Event)
	// Schedule delays reads until shortly before the next fan-out pass; nil delays none.
	Schedule *pacing.Schedule
	// Logger receives resets and outages of the log; nil discards them.
	Logger *slog.Logger
}

func (o FeedOptions) withDefaults() FeedOptions {
	if o.Bytes <= 0 {
		o.Bytes = 64 << 20
	}
	if o.Fill <= 0 {
		o.Fill = 50_000
	}
	if o.CatchUpQueries <= 0 {
		o.CatchUpQueries = 4
	}
	if o.CatchUpBytes <= 0 {
		o.CatchUpBytes = 64 << 20
	}
	if o.PageBytes <= 0 {
		o.PageBytes = 6 << 20
	}
	if o.FilterBytes <= 0 {
		o.FilterBytes = 32 << 20
	}
	if o.Collections == nil {
		o.Collections, _ = collection.NewSet(nil) // no two collections contradict each other
	}
	if o.StaleAfter <= 0 {
		o.StaleAfter = pacing.StaleAfter
	}
	if o.OnEvent == nil {
		o.OnEvent = func(*Event) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Feed holds the newest part of the log in memory, encoded once and shared by all subscriptions. It
// keeps no list of them: each reads at its own pace and waits on Changed.
//
// The package documentation states what it promises.
type Feed struct {
	log       Log
	opts      FeedOptions
	replays   *replays
	filters   *interner[criteria]
	lineage   lineageCache
	started   time.Time
	queriedAt atomic.Int64 // when Run began to wait for the log, see monotonic; 0 while it does not wait
	readAt    atomic.Int64 // when the log last answered, see monotonic; of a copy, when that was complete
	readDelay atomic.Int64 // by how much readAt is before the answer, in nanoseconds

	retry *backoff.Retry // of the reads of the log

	incompleteAt time.Time // when Run last logged an incomplete event; owned by Run

	mu         sync.RWMutex // guards the fields below
	buffer     *ringBuffer
	generation uint64        // the number of moves
	moves      []move        // the newest
	changed    chan struct{} // closed at the next change
	stats      FeedStats
	outage     error // why the log cannot be read, nil if it can
}

// FeedStats describes the state of a feed.
type FeedStats struct {
	Cursor       string `json:"cursor"`       // the feed's end
	Floor        string `json:"floor"`        // the feed's beginning: older cursors resume from the log
	Transactions int    `json:"transactions"` // in memory
	Bytes        int64  `json:"bytes"`        // their estimated memory
	Limit        int64  `json:"limit"`        // of Bytes
	Events       uint64 `json:"events"`       // appended since start
	Withheld     uint64 `json:"withheld"`     // events with an empty audience, which no client receives
	Resets       uint64 `json:"resets"`       // how often the feed was rebuilt and every client reset
	Unannounced  uint64 `json:"unannounced"`  // events read without a wake-up; 0 unless wake-ups get lost
	CatchUps     uint64 `json:"catchUps"`     // how often a subscription had to read the log

	CatchUpBytes        int64  `json:"catchUpBytes"`        // estimated memory of what subscriptions read from the log
	CatchUpLimit        int64  `json:"catchUpLimit"`        // of CatchUpBytes
	CatchUpsWaiting     int    `json:"catchUpsWaiting"`     // subscriptions that wait for a part of it
	CatchUpsInterrupted uint64 `json:"catchUpsInterrupted"` // clients that took too long for theirs while others waited, or pinned too much (see Pin)
	FilterBytes         int64  `json:"filterBytes"`         // memory of the larger filters
}

// NewFeed returns an empty feed of the log. Fill fills it.
func NewFeed(log Log, opts FeedOptions) *Feed {
	opts = opts.withDefaults()
	return &Feed{
		log:     log,
		opts:    opts,
		replays: newReplays(log, opts),
		filters: newInterner[criteria](opts.FilterBytes),
		started: time.Now(),
		buffer:  newRingBuffer(opts.Bytes, Cursor{}),
		changed: make(chan struct{}),
		retry:   newReadRetry(opts.Logger),
	}
}

// Changed returns a channel that is closed at the next change of the feed. Call it before
// Subscription.Pending: in the other order, a change between the two calls would be missed.
func (f *Feed) Changed() <-chan struct{} {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.changed
}

// Head returns the cursor of a client that has read the whole feed.
func (f *Feed) Head() Cursor {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.buffer.head
}

// Err returns why the log cannot be read at present, nil if it can. A log that has not answered for
// pacing.AnswerTimeout counts as unreadable: its connection may be dead.
func (f *Feed) Err() error {
	f.mu.RLock()
	outage := f.outage
	f.mu.RUnlock()
	if since := f.queriedAt.Load(); outage == nil && since != 0 {
		if waited := time.Duration(f.monotonic() - since); waited > pacing.AnswerTimeout {
			return fmt.Errorf("read the log: no answer for %v", waited.Round(time.Second))
		}
	}
	return outage
}

// monotonic returns the nanoseconds since the feed was made, plus 1, by the monotonic clock.
func (f *Feed) monotonic() int64 { return int64(time.Since(f.started)) + 1 }

// Stats returns the state of the feed.
func (f *Feed) Stats() FeedStats {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s, r := f.stats, f.buffer
	s.Cursor, s.Floor = r.head.String(), r.floor.String()
	s.Transactions, s.Bytes, s.Limit = len(r.entries), r.size+r.fields.Load(), r.limit
	s.FilterBytes = f.filters.held()
	f.replays.addTo(&s)
	return s
}

// push appends the entries, which hold the given number of events, and signals one change.
func (f *Feed) push(entries []*entry, events int) { interruptAll(f.append(entries, events)) }

// append returns the clients that hold too much of what it has evicted.
func (f *Feed) append(entries []*entry, events int) (slow []*Pin) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now().UnixNano()
	for _, e := range entries {
		e.read = now
		f.buffer.push(e, func(old *entry) { slow = append(slow, f.replays.pins.evict(old)...) })
		f.stats.Withheld += uint64(e.withheld)
	}
	f.stats.Events += uint64(events)
	f.signalChange()
	return slow
}

// setHead sets the head to a cursor that contains the same events and has fewer holes. It signals no
// change, since there is nothing to deliver.
func (f *Feed) setHead(head Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffer.head = head
}

// replace installs another buffer. With a reason it resets every subscription: the next Pending of
// each returns a *ResetError.
func (f *Feed) replace(r *ringBuffer, reason ResetReason) {
	var slow []*Pin
	defer func() { interruptAll(slow) }()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.buffer.entries {
		slow = append(slow, f.replays.pins.evict(e)...)
	}
	r.first += f.buffer.end() // positions are never used again
	f.buffer = r
	if reason != "" {
		f.addMove(move{reason: reason})
		f.stats.Resets++
	}
	f.signalChange()
}

// signalChange closes the channel that Changed returned. The caller must hold mu for writing.
func (f *Feed) signalChange() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// parse parses what the filter needs of the entry, once for all subscriptions. The caller must hold mu, at least for
// reading, so that the entry is not evicted meanwhile.
func (f *Feed) parse(e *entry, filter *Filter) {
	if filter.needsFields() {
		e.fieldsOnce.Do(func() {
			e.parseFields()
			f.buffer.fields.Add(e.fieldSpace)
		})
	}
	if filter.hasRows() {
		e.changesOnce.Do(func() {
			e.parseChanges(f.opts.Collections)
			f.buffer.fields.Add(e.changeSpace)
		})
	}
}

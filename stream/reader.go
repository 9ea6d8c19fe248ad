package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/pacing"
)

// Fill reads the newest part of the log into the feed. Use the feed only after it has returned nil.
func (f *Feed) Fill(ctx context.Context) error { return f.rebuild(ctx, "") }

// Run reads the log at each wake-up, and every second without one, until ctx ends. An outage of the
// log does not end it: Run logs the outage, backs off however many wake-ups arrive and, when it is over,
// reads the events that were written meanwhile. The caller must not close wakeUps.
//
// A wake-up waits until shortly before the next fan-out pass; see FeedOptions.Schedule.
func (f *Feed) Run(ctx context.Context, wakeUps <-chan struct{}) {
	fallback := time.NewTicker(pacing.FallbackInterval)
	defer fallback.Stop()
	var unannounced int // events of the last fallback read, until their wake-up arrives
	for {
		announced := false
		select {
		case <-ctx.Done():
			return
		case <-wakeUps:
			announced, unannounced = true, 0
			f.waitForFanOut(ctx)
			hasSignal(wakeUps) // this read covers the wake-ups that arrived while it waited
		case <-fallback.C:
			if hasSignal(wakeUps) { // a busy machine may deliver both late
				announced = true
			} else {
				f.countUnannounced(unannounced)
			}
			unannounced = 0
		}
		if f.retry.Wait(ctx) != nil {
			return
		}
		n := f.readTimed(ctx)
		if !announced {
			unannounced = n
		}
	}
}

// newReadRetry returns the pace of reads that fail: at most as slow as the reads without a wake-up.
func newReadRetry(logger *slog.Logger) *backoff.Retry {
	return backoff.New(backoff.Options{
		Min: minReadPause, Max: pacing.FallbackInterval, Level: slog.LevelError, Logger: logger,
		Failing: "event log became unreadable, retrying", Recovered: "event log became readable again",
	})
}

// minReadPause is the first pause after a read that failed.
const minReadPause = 100 * time.Millisecond

// hasSignal consumes a signal if there is one.
func hasSignal(signals <-chan struct{}) bool {
	select {
	case <-signals:
		return true
	default:
		return false
	}
}

// waitForFanOut waits until shortly before the next fan-out pass: one read of the log then covers all
// events that are written meanwhile.
func (f *Feed) waitForFanOut(ctx context.Context) {
	_ = backoff.Sleep(ctx, f.opts.Schedule.Delay(pacing.ReadAhead)) // the read sees whether ctx has ended
}

// readTimed calls read, and records in queriedAt how long it has been waiting for the log.
func (f *Feed) readTimed(ctx context.Context) int {
	f.queriedAt.Store(f.monotonic())
	n, err := f.read(ctx)
	if ctx.Err() == nil {
		f.recordOutage(err)
	}
	f.queriedAt.Store(0)
	return n
}

// recordOutage records whether the log can be read, and logs outages.
func (f *Feed) recordOutage(err error) {
	f.mu.Lock()
	f.outage = err
	f.mu.Unlock()
	f.retry.Done(err)
}

func (f *Feed) countUnannounced(n int) {
	if n == 0 {
		return
	}
	f.mu.Lock()
	f.stats.Unannounced += uint64(n)
	f.mu.Unlock()
	f.opts.Logger.Warn("read events without a wake-up", "events", n)
}

// read appends the new events of the log to the feed, and returns how many there were. After a recovery, it
// first makes the feed follow. If the log can no longer continue the feed, read rebuilds the feed.
func (f *Feed) read(ctx context.Context) (int, error) {
	n, err := f.appendNew(ctx)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, ErrOtherLog) {
		if err = f.follow(ctx); err == nil {
			var more int
			more, err = f.appendNew(ctx)
			n += more
		}
	}
	if err == nil {
		return n, nil
	}
	reason := resetReason(err)
	if reason == "" {
		return n, err
	}
	if err = f.rebuild(ctx, reason); resetReason(err) != "" { // the log was found to be foreign, and is another one now
		err = f.rebuild(ctx, ResetOtherLog)
	}
	return n, err
}

func (f *Feed) appendNew(ctx context.Context) (int, error) {
	r, err := f.log.Read(ctx, f.Head())
	if err != nil {
		return 0, err
	}
	n, err := f.encode(ctx, observedReading{r, f.observe}, f.push)
	if err != nil {
		return n, err
	}
	if head := r.Cursor(); !head.Equal(f.Head()) {
		f.setHead(head)
	}
	return n, nil
}

// rebuild replaces the buffer by one that holds the newest part of the log. With a reason it resets
// every subscription.
func (f *Feed) rebuild(ctx context.Context, reason ResetReason) error {
	floor, err := f.log.Tail(ctx, f.opts.Fill, f.opts.Bytes)
	if err != nil {
		return fmt.Errorf("find the newest events: %w", err)
	}
	r, err := f.log.Read(ctx, floor)
	if err != nil {
		return fmt.Errorf("read the newest events: %w", err)
	}
	buffer := newRingBuffer(f.opts.Bytes, floor)
	n, err := f.encode(ctx, r, func(entries []*entry, _ int) {
		for _, e := range entries {
			buffer.push(e, func(*entry) {}) // no client has it yet
		}
	})
	if err != nil {
		return fmt.Errorf("read the newest events: %w", err)
	}
	buffer.head = r.Cursor()
	f.replace(buffer, reason)
	if reason != "" {
		f.opts.Logger.Warn("feed rebuilt, resetting every client", "reason", reason, "events", n)
	}
	return nil
}

// encode encodes the transactions that the reading yields and passes them to flush, one or more at a
// time, never a part of one. It returns the number of events that it passed on.
func (f *Feed) encode(ctx context.Context, r Reading, flush func([]*entry, int)) (int, error) {
	var encoded []*entry
	var size int64
	var events, flushed int
	current := &entry{}
	for {
		t, err := r.Next(ctx, Interest{Everything: true})
		f.noteAnswer()
		if err == nil || IsEnd(err) {
			f.noteRead()
		}
		if IsEnd(err) {
			if len(encoded) > 0 {
				flush(encoded, events-flushed)
			}
			return events, nil
		}
		if err != nil {
			return flushed, err
		}
		f.addPart(current, &t)
		events += len(t.Events)
		if t.More {
			continue
		}
		encoded, size = append(encoded, current), size+current.size()
		current = &entry{}
		if size >= pacing.FlushBytes {
			flush(encoded, events-flushed)
			encoded, size, flushed = nil, 0, events
		}
	}
}

// noteAnswer restarts the wait that Err measures: the log has answered, and is queried again.
func (f *Feed) noteAnswer() {
	if f.queriedAt.Load() != 0 {
		f.queriedAt.Store(f.monotonic())
	}
}

// addPart adds a part of a transaction to its entry. If the entry becomes too large for the feed,
// addPart leaves its events in the log.
func (f *Feed) addPart(e *entry, t *Transaction) {
	e.xid = t.XID
	if e.inLog {
		for i := range t.Events {
			e.left.Add(t.Events[i].ID, t.Events[i].At.UnixNano())
		}
	} else if e.add(t); e.size() > f.opts.Bytes {
		e.leaveInLog()
	}
	if !t.More {
		e.complete(t.Cursor)
	}
}

// observe passes an event on, and logs that some are incomplete: at most once per incompleteInterval, since
// every event of a table may be.
func (f *Feed) observe(e *Event) {
	f.opts.OnEvent(e)
	f.noteSpec(e)
	if e.Incomplete == "" || time.Since(f.incompleteAt) < incompleteInterval {
		return
	}
	f.incompleteAt = time.Now()
	f.opts.Logger.Warn("clients receive events without their data and have to fetch it: see pgherald_incomplete_events_total",
		"reason", e.Incomplete, "event", e.ID, "type", e.Type, "data", string(e.Data))
}

const incompleteInterval = time.Minute

// noteSpec notes that a newer spec has reduced a collection. What Fill reads is older than the collections of this server.
func (f *Feed) noteSpec(e *Event) {
	if e.Type != TypeCollectionReset {
		return
	}
	if about := ParseCollectionReset(e.Data); about.Reason == collection.ReasonSpec {
		f.opts.Collections.Reduce(about.TableName(), e.ID)
	}
}

// observedReading calls observe with each event that it yields.
type observedReading struct {
	Reading
	observe func(*Event)
}

func (r observedReading) Next(ctx context.Context, wants Interest) (Transaction, error) {
	t, err := r.Reading.Next(ctx, wants)
	for i := range t.Events {
		r.observe(&t.Events[i])
	}
	return t, err
}

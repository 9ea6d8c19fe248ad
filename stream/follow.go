package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// fallbackInterval is how often the log is read without having been woken, so that no mistake
// in waking can delay an event for longer.
const fallbackInterval = time.Second

// answerPatience is how long the log may take for an answer before the feed says that it cannot be
// read.
const answerPatience = 3 * time.Second

// flushBytes is how much is read before it is handed on, when there is more to read.
const flushBytes = 1 << 20

// Fill reads the newest part of the log into the feed. It must have returned nil before the
// feed is used.
func (f *Feed) Fill(ctx context.Context) error { return f.refill(ctx, "") }

// Follow reads the log whenever wake is signalled, and every second, until ctx ends. An outage
// of the log is not an error: it is logged and outlasted, and what was missed is read after it.
// wake must not be closed. nextPass tells when somebody reads the feed next, as far as that is known:
// until shortly before, a wake-up waits. nil means that this is not known.
func (f *Feed) Run(ctx context.Context, wake <-chan struct{}, nextPass func() time.Time) {
	fallback := time.NewTicker(fallbackInterval)
	defer fallback.Stop()
	var unwoken int // events found by a fallback read, for which no wake-up has come yet
	for {
		woken := false
		select {
		case <-ctx.Done():
			return
		case <-wake:
			woken, unwoken = true, 0
			rest(ctx, nextPass)
			select { // what was signalled meanwhile is read now, too
			case <-wake:
			default:
			}
		case <-fallback.C:
			select { // a machine that was busy for a second owes us the notification, too
			case <-wake:
				woken = true
			default:
				f.countUnannounced(unwoken)
			}
			unwoken = 0
		}
		f.asked.Store(f.now())
		n, err := f.read(ctx)
		if !woken {
			unwoken = n
		}
		if ctx.Err() == nil {
			f.noteOutage(err)
		}
		f.asked.Store(0)
	}
}

// readAhead is how long before somebody reads the feed the log is read for it.
const readAhead = time.Millisecond

// rest waits until just before somebody reads the feed, if it is known that nobody does until then:
// one reading of the log then does for all events that are written meanwhile.
func rest(ctx context.Context, nextPass func() time.Time) {
	if nextPass == nil {
		return
	}
	d := time.Until(nextPass().Add(-readAhead)) // a difference to the zero time must not overflow
	if d <= 0 {
		return
	}
	timer := time.NewTimer(min(d, fallbackInterval/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// noteOutage logs the beginning and the end of an outage, not each attempt in it.
func (f *Feed) noteOutage(err error) {
	f.mu.Lock()
	before := f.outage
	f.outage = err
	f.mu.Unlock()
	switch {
	case err != nil && before == nil:
		f.opts.Logger.Error("log cannot be read; streams wait", "error", err)
	case err == nil && before != nil:
		f.opts.Logger.Info("log can be read again", "cursor", f.Head().String())
	}
}

func (f *Feed) countUnannounced(n int) {
	if n == 0 {
		return
	}
	f.mu.Lock()
	f.stats.Unannounced += uint64(n)
	f.mu.Unlock()
	f.opts.Logger.Warn("events were found that no notification had announced", "events", n)
}

// read appends to the feed what is new in the log, and returns how many events that were. If the
// log can no longer continue the feed, the feed begins anew.
func (f *Feed) read(ctx context.Context) (int, error) {
	n, err := f.readOn(ctx)
	if reason := resetReason(err); reason != "" {
		return n, f.refill(ctx, reason)
	}
	return n, err
}

func (f *Feed) readOn(ctx context.Context) (int, error) {
	r, err := f.log.Read(ctx, f.Head())
	if err != nil {
		return 0, err
	}
	n, err := f.collect(ctx, told{r, f.opts.OnEvent}, f.push)
	if err != nil {
		return n, err
	}
	if head := r.Cursor(); !head.Equal(f.Head()) {
		f.settle(head)
	}
	return n, nil
}

// refill makes a new ring of the newest part of the log. With a reason, subscriptions are told
// to reset.
func (f *Feed) refill(ctx context.Context, reason ResetReason) error {
	floor, err := f.log.Tail(ctx, f.opts.Fill)
	if err != nil {
		return fmt.Errorf("find the newest events: %w", err)
	}
	r, err := f.log.Read(ctx, floor)
	if err != nil {
		return fmt.Errorf("read the newest events: %w", err)
	}
	fresh := newRing(f.opts.Bytes, floor)
	n, err := f.collect(ctx, r, func(entries []*entry, _ int) {
		for _, e := range entries {
			fresh.push(e)
		}
	})
	if err != nil {
		return fmt.Errorf("read the newest events: %w", err)
	}
	fresh.head = r.Cursor()
	f.replace(fresh, reason)
	if reason != "" {
		f.opts.Logger.Warn("feed was replaced; every client is told to reset", "reason", reason, "events", n)
	}
	return nil
}

// collect encodes what the reading yields and hands it on, whole transactions only. It returns
// the number of events handed on.
func (f *Feed) collect(ctx context.Context, r Reading, flush func([]*entry, int)) (int, error) {
	var batch []*entry
	var size int64
	var events, flushed int
	current := &entry{}
	for {
		t, err := r.Next(ctx)
		f.answered()
		if errors.Is(err, io.EOF) {
			if len(batch) > 0 {
				flush(batch, events-flushed)
			}
			return events, nil
		}
		if err != nil {
			return flushed, err
		}
		f.extend(current, &t)
		events += len(t.Events)
		if t.More {
			continue
		}
		batch, size = append(batch, current), size+current.size()
		current = &entry{}
		if size >= flushBytes {
			flush(batch, events-flushed)
			batch, size, flushed = nil, 0, events
		}
	}
}

// answered notes that the log has answered, and is asked again.
func (f *Feed) answered() {
	if f.asked.Load() != 0 {
		f.asked.Store(f.now())
	}
}

// extend adds a part of a transaction to its entry, unless that is too large for the feed.
func (f *Feed) extend(e *entry, t *Transaction) {
	e.xid = t.XID
	if !e.inLog {
		e.add(t)
	}
	if e.size() > f.opts.Bytes {
		e.spill()
	}
	if !t.More {
		e.finish(t)
	}
}

package streamtest

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/pgherald/pgherald/stream"
)

var _ stream.HistoryLog = (*Log)(nil)

// ReadBack implements stream.HistoryLog.
func (l *Log) ReadBack(_ context.Context, before stream.Position, wants stream.Interest, look, max int) (past stream.Past, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return past, l.err
	case before.IsZero():
		before = stream.Position{Shown: l.snapshot(), XID: math.MaxUint64}
	case before.Shown.Epoch() != l.epoch:
		return past, stream.ErrOtherLog
	case before.Shown.Next() > l.nextXID:
		return past, stream.ErrFuture
	}
	past.Shown = before.Shown
	rest := l.backwards(before)
	if len(rest) > look {
		rest = rest[:look]
		last := rest[look-1]
		past.Next = stream.Position{Shown: past.Shown, XID: last.XID, ID: last.ID}
	}
	past.Looked = look
	for _, e := range rest {
		if !isWanted(e.Event, wants) {
			continue
		}
		if len(past.Events) == max {
			last := past.Events[max-1]
			past.Next, past.IsCut = stream.Position{Shown: past.Shown, XID: last.XID, ID: last.ID}, true
			break
		}
		past.Events = append(past.Events, e)
	}
	return past, nil
}

// backwards returns the events before a position, in the reverse order of transactions, and of ids within one.
func (l *Log) backwards(before stream.Position) (events []stream.PastEvent) {
	for _, t := range l.visible(before.Shown.Seen) {
		for _, e := range t.Events {
			if t.XID < before.XID || t.XID == before.XID && e.ID < before.ID {
				events = append(events, stream.PastEvent{XID: t.XID, Event: e})
			}
		}
	}
	slices.SortFunc(events, func(a, b stream.PastEvent) int {
		return cmp.Or(cmp.Compare(b.XID, a.XID), cmp.Compare(b.ID, a.ID))
	})
	return events
}

// snapshot returns the cursor of now.
func (l *Log) snapshot() stream.Cursor {
	next := l.prunedBelow
	for _, t := range l.visible(func(uint64) bool { return true }) {
		next = max(next, t.XID+1)
	}
	return stream.NewCursor(l.epoch, next, l.open()).WithLSN(l.lsn)
}

var _ stream.CountingLog = (*Log)(nil)

// CountBack implements stream.CountingLog.
func (l *Log) CountBack(ctx context.Context, before stream.Position, q stream.CountQuery, look int) (past stream.CountedPast, err error) {
	wants, hasFormer := q.Interest()
	all, err := l.ReadBack(ctx, before, stream.Interest{Everything: true}, look, look)
	if err != nil {
		return past, err
	}
	past.Shown, past.Next = all.Shown, all.Next
	for _, e := range all.Events {
		if past.Newest.Before(e.At) {
			past.Newest = e.At
		}
		past.Oldest = e.At
		if !hasFormer {
			e.AudienceWas = nil
		}
		if isWanted(e.Event, wants) && !e.At.Before(q.From) {
			past.Buckets = append(past.Buckets, stream.Bucket{At: stream.StepOf(e.At, q.Step), Type: e.Type, Events: 1})
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	past.IsPruned = l.prunedBelow > 0
	return past, nil
}

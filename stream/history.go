package stream

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/pgherald/pgherald/stream/collection"
)

// HistoryLog reads the log from its newest transaction towards its oldest.
type HistoryLog interface {
	// ReadBack looks at events before a position, at most at the given number, and returns those in which wants has an
	// interest, at most max. The zero Position is the end of the log. The error wraps ErrOtherLog or ErrFuture if the
	// position is none of this log.
	ReadBack(ctx context.Context, before Position, wants Interest, look, max int) (Past, error)
}

// Past holds the result of HistoryLog.ReadBack.
type Past struct {
	Events []PastEvent // in the reverse order of transactions, and of ids within one
	Shown  Cursor      // the snapshot of the first read; all of the events are in it
	// Next is where to continue; the zero Position if the log has no earlier events.
	Next Position
	// Looked is the number of events that were looked at, about.
	Looked int
	// IsCut says that there were more events than could be returned at once.
	IsCut bool
}

// PastEvent is an event with its transaction.
type PastEvent struct {
	XID uint64
	Event
}

// HistoryQuery says which part of the history a client wants. All limits are required.
type HistoryQuery struct {
	Filter Filter
	Before Position // zero for the newest events
	Max    int      // events
	Bytes  int      // of all envelopes; a single one may have more
}

// HistoryPage is a part of the history.
type HistoryPage struct {
	Events [][]byte // envelopes, the one with the highest id first
	Before Position // the next page ends here; zero if there is none
	Cursor Cursor   // of the snapshot that the history shows
}

// How much of the log a page may look at. A filter that matches little would otherwise read all of it for one request.
const (
	historyEvents = 100_000
	historyTime   = time.Second

	minHistoryLook, maxHistoryLook = 256, 20_000 // events, in one read
)

// maxHistoryBatch is how many events are fetched at once if the filter looks into them.
const maxHistoryBatch = 500

// ReadHistory reads a page of the history. The set must be that of the feed.
func ReadHistory(ctx context.Context, log HistoryLog, set *collection.Set, q HistoryQuery) (HistoryPage, error) {
	g := newHistoryGatherer(set, q)
	wants, began, looked := q.Filter.interest(), time.Now(), 0
	look := min(max(minHistoryLook, 2*q.Max), maxHistoryLook)
	for {
		past, err := log.ReadBack(ctx, g.page.Before, wants, look, g.batch())
		if err != nil {
			return HistoryPage{}, err
		}
		g.add(past)
		if looked += past.Looked; g.isFull || g.page.Before.IsZero() || looked >= historyEvents || time.Since(began) > historyTime {
			return g.finish(), nil
		}
		if !past.IsCut {
			look = min(4*look, maxHistoryLook)
		}
	}
}

// batch returns how many events to fetch at once: one more than there is room for tells whether others follow.
func (g *historyGatherer) batch() int {
	missing := g.query.Max - len(g.ids) + 1
	if f := &g.query.Filter; f.needsFields() || f.hasSelections() {
		return max(missing, maxHistoryBatch)
	}
	return missing
}

// historyGatherer gathers a page.
type historyGatherer struct {
	query  HistoryQuery
	set    *collection.Set
	page   HistoryPage
	ids    []int64 // of the events of the page
	bytes  int
	isFull bool
}

func newHistoryGatherer(set *collection.Set, q HistoryQuery) *historyGatherer {
	if set == nil {
		set, _ = collection.NewSet(nil) // no two collections contradict each other
	}
	return &historyGatherer{query: q, set: set, page: HistoryPage{Before: q.Before}}
}

// add adds the events that the filter selects, until the page is full.
func (g *historyGatherer) add(past Past) {
	g.page.Cursor = past.Shown
	for i := range past.Events {
		e := &past.Events[i]
		envelope := g.envelope(e)
		if envelope != nil && len(g.ids) > 0 && (len(g.ids) == g.query.Max || g.bytes+len(envelope) > g.query.Bytes) {
			g.isFull = true
			return
		}
		if envelope != nil {
			g.page.Events, g.ids = append(g.page.Events, envelope), append(g.ids, e.ID)
			g.bytes += len(envelope)
		}
		g.page.Before = Position{Shown: past.Shown, XID: e.XID, ID: e.ID}
	}
	g.page.Before = past.Next
	g.isFull = len(g.ids) == g.query.Max // to look for one more could take long
}

// finish returns the page, ordered by id.
func (g *historyGatherer) finish() HistoryPage {
	order := make([]int, len(g.ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(g.ids[b], g.ids[a]) })
	events := make([][]byte, len(order))
	for i, n := range order {
		events[i] = g.page.Events[n]
	}
	g.page.Events = events
	return g.page
}

// envelope returns what the client gets of an event, nil if that is nothing.
func (g *historyGatherer) envelope(past *PastEvent) []byte {
	e := &entry{xid: past.XID}
	e.add(&Transaction{XID: past.XID, Events: []Event{past.Event}})
	filter := &g.query.Filter
	if filter.needsFields() {
		e.parseFields()
	}
	e.parseChanges(g.set)
	v := filter.judge(e, 0)
	if v == 0 {
		return nil
	}
	out := filter.newOutput(nil)
	out.isPast = true
	if filter.hasSelections() {
		out.addRow(e, 0, v, nil)
	} else {
		out.addPast(e)
	}
	envelope := slices.Concat(out.bufs...)
	return envelope[len(dataPrefix) : len(envelope)-len("\n\n")]
}

package stream

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// CountingLog counts events from the log's newest transaction towards its oldest.
type CountingLog interface {
	// CountBack looks at events before a position, at most at the given number, and counts those in which q has an interest.
	// The zero Position is the end of the log.
	CountBack(ctx context.Context, before Position, q CountQuery, look int) (CountedPast, error)
}

// CountQuery says what to count.
type CountQuery struct {
	Filter Filter        // without conditions on fields
	From   time.Time     // a multiple of Step
	Step   time.Duration // a multiple of a second
}

// Interest returns what the filter can match. Former audiences count if hasFormer is set: then the client gets deletes of
// rows that it no longer may see.
func (q *CountQuery) Interest() (wants Interest, hasFormer bool) {
	return q.Filter.interest(), q.Filter.hasRows()
}

// CountedPast holds the result of CountingLog.CountBack.
type CountedPast struct {
	Buckets []Bucket // those with events
	Shown   Cursor
	Next    Position // zero if the log has no earlier events
	// Newest and Oldest are the times of the newest event that was looked at, and of the one at which the look ended; zero
	// if there was none.
	Newest, Oldest time.Time
	IsPruned       bool // whether the log has lost earlier events
}

// Bucket counts the events of a type in a step of time.
type Bucket struct {
	At     time.Time // the beginning
	Type   string
	Events int64
}

// Counts holds the counts of the log's events.
type Counts struct {
	Buckets []Bucket  // those with events, ordered by time and type
	From    time.Time // from when on the counts are complete; those before are too low
	Cursor  Cursor    // of the snapshot that they show
}

// How much of the log is counted for one request.
const (
	countEvents = 1_000_000
	countTime   = 2 * time.Second
	countLook   = 50_000 // events, at once

	// countSlack is the longest time for which a transaction is expected to be open: its events come with those of the
	// transactions that began to write when it did.
	countSlack = time.Minute
)

// StepOf returns the beginning of the step of a time. Steps begin at multiples of their length since 1970.
func StepOf(at time.Time, step time.Duration) time.Time {
	seconds := int64(step / time.Second)
	begin := at.Unix() / seconds * seconds
	if begin > at.Unix() { // before 1970
		begin -= seconds
	}
	return time.Unix(begin, 0).UTC()
}

// CountHistory counts the events of the log since q.From.
func CountHistory(ctx context.Context, log CountingLog, q CountQuery) (Counts, error) {
	began := time.Now()
	counts, before, oldest := Counts{From: q.From}, Position{}, began
	sums := map[Bucket]int64{}
	for looked := 0; ; {
		past, err := log.CountBack(ctx, before, q, countLook)
		if err != nil {
			return Counts{}, err
		}
		for _, b := range past.Buckets {
			sums[Bucket{At: b.At, Type: b.Type}] += b.Events
		}
		counts.Cursor, before = past.Shown, past.Next
		looked += countLook
		if !past.Oldest.IsZero() {
			oldest = past.Oldest
		}
		isOlder := !past.Newest.IsZero() && past.Newest.Before(q.From.Add(-countSlack))
		isAtEnd := before.IsZero()
		if isOlder || isAtEnd && !past.IsPruned {
			break
		}
		if isAtEnd || looked >= countEvents || time.Since(began) > countTime {
			if oldest.After(q.From) { // the step in which it lies is not complete; of an emptied log, only what follows is known
				counts.From = StepOf(oldest, q.Step).Add(q.Step)
			}
			break
		}
	}
	for b, n := range sums {
		b.Events = n
		counts.Buckets = append(counts.Buckets, b)
	}
	slices.SortFunc(counts.Buckets, func(a, b Bucket) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Type, b.Type)) })
	return counts, nil
}

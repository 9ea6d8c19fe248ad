package relay

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// errNotThere says that the relay has not appended a transaction yet.
const errNotThere = passingError("it does not have the transaction yet")

// errBehind says that the relay has not read the log since a recovery.
const errBehind = passingError("the relay has not read the log since the recovery yet")

// ReadTransaction begins to read the events of one transaction with ids above after.
func (l *Log) ReadTransaction(ctx context.Context, epoch string, xid uint64, after int64) (stream.Reading, error) {
	st, err := l.state(ctx)
	if err != nil {
		return nil, err
	}
	if epoch != st.epoch() {
		return nil, fmt.Errorf("%w: it names %s, this is %s", stream.ErrOtherLog, epoch, st.epoch())
	}
	first, err := l.first(ctx, &st)
	if err != nil {
		return nil, err
	}
	if first.entry.Cursor.Seen(xid) {
		return nil, fmt.Errorf("%w: the stream begins after it", stream.ErrPruned)
	}
	isBefore := func(e *Entry, _ uint64) bool { return !e.Cursor.Seen(xid) }
	before, err := l.search(ctx, &st, first, isBefore)
	if err != nil {
		return nil, err
	}
	number := st.up(before.number + 1)
	if number > st.Whole {
		return nil, errNotThere
	}
	r := &reading{log: l, state: st, one: xid, after: after, number: before.number, entry: before.entry}
	if number != before.number+1 { // void entries are between
		r.number = number - 1
		if r.entry, err = l.at(ctx, r.number); err != nil {
			return nil, err
		}
	}
	e, err := l.at(ctx, number)
	switch {
	case err != nil:
		return nil, err
	case e.XID != xid:
		return nil, errNotThere
	}
	return r, nil
}

// Lineage returns the recoveries that led to the present epoch.
func (l *Log) Lineage(ctx context.Context) (stream.Lineage, error) {
	st, err := l.state(ctx)
	if err != nil {
		return nil, err
	}
	lineage := slices.Clone(st.Lineage)
	for i := range lineage {
		lineage[i].Age += st.InfoAge
	}
	return lineage, nil
}

// Survivors looks up transactions in the present epoch, from the end of the stream on.
func (l *Log) Survivors(ctx context.Context, xids []uint64) (stream.Survivors, error) {
	st, err := l.state(ctx)
	if err != nil {
		return stream.Survivors{}, err
	}
	if st.Mark.Whole < st.Changes[len(st.Changes)-1].At {
		return stream.Survivors{}, errBehind
	}
	first, err := l.first(ctx, &st)
	if err != nil {
		return stream.Survivors{}, err
	}
	found := stream.Survivors{Epoch: st.epoch(), PrunedBelow: first.entry.Cursor.Next(), Transactions: make(map[uint64]stream.Digest, len(xids))}
	missing := make(map[uint64]bool, len(xids))
	for _, xid := range xids {
		missing[xid] = true
	}
	isBefore := func(e *Entry, _ uint64) bool {
		for xid := range missing {
			if e.Cursor.Seen(xid) {
				return false
			}
		}
		return true
	}
	from := first
	if isBefore(&first.entry, first.number) {
		if from, err = l.search(ctx, &st, first, isBefore); err != nil {
			return stream.Survivors{}, err
		}
	}
	return found, l.digest(ctx, &st, from.number, missing, found.Transactions)
}

// digest adds those of the transactions that are in entries from a number on.
func (l *Log) digest(ctx context.Context, st *State, from uint64, of map[uint64]bool, digests map[uint64]stream.Digest) error {
	for from <= st.Whole {
		page, err := l.entries.Range(ctx, from, l.pageEntries, pageBytes)
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		if page.Fork != st.Fork {
			return errForked
		}
		if len(page.Entries) == 0 {
			return errCut
		}
		for _, s := range page.Entries {
			if s.Number > st.Whole {
				return nil
			}
			e, err := decode(s)
			if err != nil {
				return err
			}
			if st.enclosing(s.Number) == nil && of[e.XID] {
				d := digests[e.XID]
				addTo(&d, &e)
				digests[e.XID] = d
			}
			from = s.Number + 1
		}
	}
	return nil
}

func addTo(d *stream.Digest, e *Entry) {
	for i := range e.Events {
		d.Add(e.Events[i].ID, e.Events[i].At.UnixNano())
	}
}

// Confirm does nothing: the relay has confirmed what it has kept.
func (l *Log) Confirm(context.Context, stream.Recovery, stream.Cursor) error { return nil }

// Distrust does nothing: the relay has compared the stream with the log.
func (l *Log) Distrust(context.Context, stream.Recovery) error { return nil }

package streamtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Log is a log in memory that behaves like the one in PostgreSQL: a transaction gets its id when it
// begins and becomes visible when it commits, and an event gets its id when it is written.
type Log struct {
	mu          sync.Mutex
	epoch       string
	nextXID     uint64
	nextID      int64
	txs         map[uint64]*Tx
	prunedBelow uint64
	err         error // every method returns it if it is not nil
	lsn         uint64
	prunedAt    uint64 // where the write-ahead log was when events were last pruned: a recovery keeps that
	lineage     stream.Lineage

	// PartSize is the largest number of events in a part of a transaction.
	PartSize int
	// Reads counts the calls of Read, ReadTransaction and Tail.
	Reads int
}

// Tx is a transaction of a Log.
type Tx struct {
	log    *Log
	XID    uint64
	Events []stream.Event
	// CommittedBefore is the lowest id that an event written after the commit can have. A row lock
	// makes a later writer of the same row wait, so its events have at least this id.
	CommittedBefore int64
	// Lost says that a recovery has lost the transaction, which had committed.
	Lost bool

	state     txState
	firstLSN  uint64 // of its first record
	commitLSN uint64
}

type txState int

const (
	running txState = iota
	committed
	aborted
)

var _ stream.Log = (*Log)(nil)

// NewLog returns an empty log.
func NewLog(epoch string) *Log {
	return &Log{epoch: epoch, lsn: 100, lineage: stream.Lineage{{Epoch: epoch}}, nextXID: 700, nextID: 1, txs: make(map[uint64]*Tx), PartSize: 1000}
}

// Begin starts a transaction.
func (l *Log) Begin() *Tx {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &Tx{log: l, XID: l.nextXID}
	l.nextXID++
	l.txs[t.XID] = t
	return t
}

// Write appends an event about the row with the given key.
func (t *Tx) Write(eventType, key string) {
	t.Append(stream.Event{Type: eventType, Key: key, Data: json.RawMessage(fmt.Sprintf(`{"xid":%d,"key":%q}`, t.XID, key))})
}

// Append appends an event with the next id. Its time is the id, in milliseconds, and the number of recoveries, in
// microseconds.
func (t *Tx) Append(e stream.Event) {
	t.log.mu.Lock()
	defer t.log.mu.Unlock()
	e.ID = t.log.nextID
	e.At = time.UnixMilli(e.ID).Add(time.Duration(len(t.log.lineage)-1) * time.Microsecond)
	t.log.nextID++
	t.log.lsn++
	if t.firstLSN == 0 {
		t.firstLSN = t.log.lsn
	}
	t.Events = append(t.Events, e)
}

// Commit makes the transaction visible.
func (t *Tx) Commit() { t.log.Commit(t) }

// Commit commits several transactions at once: every reading has all of them or none.
func (l *Log) Commit(txs ...*Tx) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range txs {
		t.end(committed)
	}
}

// Rollback ends the transaction. Its events never become visible.
func (t *Tx) Rollback() {
	t.log.mu.Lock()
	defer t.log.mu.Unlock()
	t.end(aborted)
}

// end ends the transaction. The caller holds mu.
func (t *Tx) end(state txState) {
	if t.state != running { // a crash was faster
		return
	}
	t.log.lsn++
	t.state, t.CommittedBefore, t.commitLSN = state, t.log.nextID, t.log.lsn
}

// Break makes every method of stream.Log return err until Break(nil).
func (l *Log) Break(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// Prune deletes all transactions below the oldest running one.
func (l *Log) Prune() {
	l.mu.Lock()
	defer l.mu.Unlock()
	horizon := l.nextXID
	for xid, t := range l.txs {
		if t.state == running {
			horizon = min(horizon, xid)
		}
	}
	highest := uint64(0)
	for xid, t := range l.txs {
		if xid < horizon {
			if t.state == committed && len(t.Events) > 0 {
				highest = max(highest, xid+1)
			}
		}
	}
	l.lsn++
	l.prunedBelow, l.prunedAt = max(l.prunedBelow, highest), l.lsn
	for xid := range l.txs {
		if xid < l.prunedBelow {
			delete(l.txs, xid)
		}
	}
}

// Bounds returns the horizon and the id of the next transaction.
func (l *Log) Bounds(context.Context) (prunedBelow, next uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.prunedBelow, l.nextXID, l.err
}

// Replace changes the epoch, as a failover does.
func (l *Log) Replace(epoch string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch, l.lineage = epoch, stream.Lineage{{Epoch: epoch}}
}

// Committed returns the committed transactions that wrote events, in the order of their last ids.
func (l *Log) Committed() []*Tx {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.visible(func(uint64) bool { return true })
}

func (l *Log) visible(match func(uint64) bool) []*Tx {
	var out []*Tx
	for xid, t := range l.txs {
		if t.state == committed && len(t.Events) > 0 && match(xid) {
			out = append(out, t)
		}
	}
	last := func(t *Tx) int64 { return t.Events[len(t.Events)-1].ID }
	slices.SortFunc(out, func(a, b *Tx) int { return cmp.Compare(last(a), last(b)) })
	return out
}

func (l *Log) open() []uint64 {
	var out []uint64
	for xid, t := range l.txs {
		if t.state == running {
			out = append(out, xid)
		}
	}
	return out
}

// Read implements stream.Log.
func (l *Log) Read(_ context.Context, from stream.Cursor) (stream.Reading, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Reads++
	switch {
	case l.err != nil:
		return nil, l.err
	case from.Epoch() != l.epoch:
		return nil, stream.ErrOtherLog
	case from.Next() > l.nextXID:
		return nil, stream.ErrFuture
	case from.Next() < l.prunedBelow, len(from.Holes()) > 0 && from.Holes()[0] < l.prunedBelow:
		return nil, stream.ErrPruned
	}
	unseen := l.visible(func(xid uint64) bool { return !from.Seen(xid) })
	r := &reading{log: l}
	cursor, lsn := from, l.lsn
	for i, t := range unseen {
		open := l.open()
		for _, later := range unseen[i+1:] {
			open = append(open, later.XID)
		}
		cursor = cursor.Deliver(t.XID, open).WithLSN(lsn)
		r.add(t.XID, t.Events, cursor, l.PartSize)
	}
	r.cursor = cursor.CloseHoles(l.open())
	return r, nil
}

// Resume implements stream.Log.
func (l *Log) Resume(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	return l.Read(ctx, from)
}

// Check implements stream.Log.
func (l *Log) Check(ctx context.Context, from stream.Cursor) (int, error) {
	r, err := l.Read(ctx, from)
	if err != nil {
		return 0, err
	}
	events := 0
	for _, t := range r.(*reading).parts {
		events += len(t.Events)
		if slices.ContainsFunc(t.Events, func(e stream.Event) bool { return e.Audience != nil }) {
			return -1, nil
		}
	}
	return events, nil
}

// ReadTransaction implements stream.Log.
func (l *Log) ReadTransaction(_ context.Context, epoch string, xid uint64, after int64) (stream.Reading, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Reads++
	switch {
	case l.err != nil:
		return nil, l.err
	case epoch != l.epoch:
		return nil, stream.ErrOtherLog
	case xid < l.prunedBelow:
		return nil, stream.ErrPruned
	}
	var rest []stream.Event
	for _, e := range l.txs[xid].Events {
		if e.ID > after {
			rest = append(rest, e)
		}
	}
	r := &reading{log: l}
	r.add(xid, rest, stream.Cursor{}, l.PartSize)
	return r, nil
}

// Tail implements stream.Log.
func (l *Log) Tail(_ context.Context, events int, _ int64) (stream.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Reads++
	if l.err != nil {
		return stream.Cursor{}, l.err
	}
	all := l.visible(func(uint64) bool { return true })
	slices.SortFunc(all, func(a, b *Tx) int { return cmp.Compare(b.XID, a.XID) })
	next := l.prunedBelow
	for _, t := range all {
		if events -= len(t.Events); events < 0 {
			next = max(next, t.XID+1)
			break
		}
	}
	return stream.NewCursor(l.epoch, next, l.open()).WithLSN(l.lsn), nil
}

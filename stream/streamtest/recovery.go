package streamtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// LSN returns the end of the write-ahead log.
func (l *Log) LSN() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lsn
}

// Recover cuts the write-ahead log off at a position, as a crash or a failover does, and begins another epoch.
// What committed above is lost; it returns those transactions. Their ids, and those of their events, are used
// again. With report, the recovery says at which position.
func (l *Log) Recover(survived uint64, report bool) (lost []*Tx) {
	l.mu.Lock()
	defer l.mu.Unlock()
	survived = max(survived, l.prunedAt)
	highest, highestID := max(699, l.prunedBelow), l.nextID-1
	if len(l.txs) > 0 {
		highestID = 0
	}
	for xid, t := range l.txs {
		if t.firstLSN != 0 && t.firstLSN <= survived {
			highest = max(highest, xid)
			for _, e := range t.Events {
				highestID = max(highestID, e.ID)
			}
		}
		if t.state == committed && t.commitLSN > survived {
			t.Lost = true
			lost = append(lost, t)
		}
		if t.state == running || t.commitLSN > survived {
			t.state = aborted
			delete(l.txs, xid)
		}
	}
	l.nextXID, l.nextID, l.lsn = highest+1, highestID+1, min(l.lsn, survived)+3
	r := stream.Recovery{ID: fmt.Sprint(len(l.lineage)), Epoch: fmt.Sprint("r", len(l.lineage)), Parent: l.epoch, Age: 1 << 40}
	if report {
		r.Survived = survived
	}
	l.lineage = slices.Insert(l.lineage, 0, r)
	l.epoch = r.Epoch
	return lost
}

// Lineage implements stream.Log.
func (l *Log) Lineage(context.Context) (stream.Lineage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lineage), l.err
}

// Survivors implements stream.Log.
func (l *Log) Survivors(_ context.Context, xids []uint64) (stream.Survivors, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := stream.Survivors{Epoch: l.epoch, PrunedBelow: l.prunedBelow, Transactions: make(map[uint64]stream.Digest)}
	for _, xid := range xids {
		if t := l.txs[xid]; t != nil && t.state == committed && len(t.Events) > 0 {
			first, last := t.Events[0], t.Events[len(t.Events)-1]
			found.Transactions[xid] = stream.Digest{
				Events: len(t.Events), FirstID: first.ID, LastID: last.ID, FirstAt: first.At.UnixNano(), LastAt: last.At.UnixNano(),
			}
		}
	}
	return found, l.err
}

// Confirm implements stream.Log.
func (l *Log) Confirm(_ context.Context, r stream.Recovery, c stream.Cursor) error {
	return l.updateRecovery(r, func(r *stream.Recovery) { r.Confirmed = append(slices.Clip(r.Confirmed), c) })
}

// Distrust implements stream.Log.
func (l *Log) Distrust(_ context.Context, r stream.Recovery) error {
	return l.updateRecovery(r, func(r *stream.Recovery) { r.Survived, r.Confirmed = 0, nil })
}

func (l *Log) updateRecovery(r stream.Recovery, update func(*stream.Recovery)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.lineage {
		if l.lineage[i].ID == r.ID {
			update(&l.lineage[i])
		}
	}
	return l.err
}

package stream

import (
	"slices"
	"time"
)

// Recovery is a crash, a failover or a restore of the database behind a log. It cuts the write-ahead log off at
// a position. What committed below is there after it; what committed above is lost, and its transaction ids
// may be used again. So a recovery begins a new epoch.
type Recovery struct {
	ID     string // of the row that describes it
	Epoch  string // that it began
	Parent string // the epoch before; empty if there is none
	// Survived is the position up to which the write-ahead log of the parent survived, 0 if it is not known.
	Survived uint64
	// Confirmed are cursors of earlier epochs whose transactions a server has found in this epoch.
	Confirmed []Cursor
	// Age is the time since a server recorded the recovery.
	Age time.Duration
}

// Lineage is the recoveries that led to the present epoch, the newest first.
//
// # Why a cursor stays right
//
// A cursor K of an earlier epoch is right in a later one if (1) every transaction that its client received is
// there, unchanged, and (2) no other transaction in K has events there, now or later. There are two proofs.
//
// By position: the LSN of K is not above the position that survived. (1) What the client received committed below
// that LSN. (2) Let x be in K and without events in the earlier epoch. PostgreSQL assigns the ids above all that
// occur in what survived. The highest id in K is that of a delivered transaction, which survived. So x is
// not assigned again; and it cannot commit after the recovery, because its session has ended. If it was prepared,
// it was running, which makes it a hole of K, until a ROLLBACK PREPARED closed the hole. If a recovery loses that
// rollback and a COMMIT PREPARED follows, the events are missed: neither proof covers that.
//
// By memory: a server holds every transaction of its feed's head H that committed above the position that
// survived, finds each of them in the later epoch, with the same events, and so knows that H is right by the
// same argument. If K is a subset of H, K is right: whatever the client received is in H, and H's server received
// it too, because a transaction in H with events had committed when that server read the log. The server records
// H, so that others can honour its clients' cursors.
//
// Nothing else is a proof. That a transaction with the same id exists after the recovery proves nothing: it may be
// another one.
type Lineage []Recovery

// Resolve returns the same set as a cursor of the present epoch. It returns false if neither proof holds.
func (l Lineage) Resolve(c Cursor) (Cursor, bool) {
	path, ok := l.Since(c.epoch)
	for ok && len(path) > 0 {
		var steps int
		if c, steps = step(path, c); steps == 0 {
			return Cursor{}, false
		}
		path = path[steps:]
	}
	return c, ok
}

// step carries the cursor over one recovery or more, the oldest first. It returns how many; 0 if it cannot.
func step(path Lineage, c Cursor) (Cursor, int) {
	if c.IsProven(path[0].Survived) {
		return c.InEpoch(path[0].Epoch, path[0].Survived), 1
	}
	for i, r := range path {
		if isConfirmed(r.Confirmed, c) {
			return c.InEpoch(r.Epoch, path[:i+1].Survived()), i + 1
		}
	}
	return Cursor{}, 0
}

// isConfirmed reports whether c is a subset of the union of the cursors of its epoch.
func isConfirmed(confirmed []Cursor, c Cursor) bool {
	var all Cursor
	for _, d := range confirmed {
		switch {
		case d.epoch != c.epoch:
		case all.IsZero():
			all = d
		default:
			all = all.Union(d)
		}
	}
	return all.Covers(c)
}

// InEpoch returns the same set in a later epoch. Its transactions have committed below the position that
// survived.
func (c Cursor) InEpoch(epoch string, survived uint64) Cursor {
	c.epoch = epoch
	if c.lsn == 0 || c.lsn > survived {
		c.lsn = survived
	}
	return c
}

// Since returns the recoveries after the epoch, the oldest first, and false if the epoch is not in the lineage.
func (l Lineage) Since(epoch string) (Lineage, bool) {
	for i, r := range l {
		if r.Epoch == epoch || r.Parent == epoch && epoch != "" {
			path := slices.Clone(l[:i])
			if r.Epoch != epoch {
				path = append(path, r)
			}
			slices.Reverse(path)
			return path, true
		}
	}
	return nil, false
}

// Survived returns the position up to which everything survived all of the recoveries, 0 if it is not known.
func (l Lineage) Survived() uint64 {
	lowest := ^uint64(0)
	for _, r := range l {
		lowest = min(lowest, r.Survived)
	}
	return lowest
}

// Digest identifies the events of a transaction.
type Digest struct {
	Events          int
	FirstID, LastID int64
	FirstAt, LastAt int64 // when the first and the last were written, in Unix nanoseconds
}

// Survivors describes transactions that are in the log.
type Survivors struct {
	Epoch        string // the present one
	PrunedBelow  uint64 // transactions below may have been pruned
	Transactions map[uint64]Digest
}

// Add counts an event, which was written at a time in Unix nanoseconds.
func (d *Digest) Add(id, at int64) {
	if d.Events == 0 {
		d.FirstID, d.LastID, d.FirstAt, d.LastAt = id, id, at, at
	}
	d.FirstID, d.LastID = min(d.FirstID, id), max(d.LastID, id)
	d.FirstAt, d.LastAt = min(d.FirstAt, at), max(d.LastAt, at)
	d.Events++
}

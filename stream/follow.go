package stream

import (
	"context"
	"errors"
	"fmt"
)

// move is a change of the feed from one generation to the next. Without an epoch it is a rebuild, which resets
// every subscription. With one, the feed continues in that epoch after a recovery.
type move struct {
	reason   ResetReason
	from     string // the epochs
	to       string
	survived uint64 // see Lineage.Survived
	end      uint64 // the position of the first entry that is lost
	head     Cursor // of the earlier epoch, before that entry
}

// maxMoves bounds the moves that a feed remembers. A subscription that was served before all of them is reset.
const maxMoves = 64

// checkedEntries is the number of the newest entries that follow looks up in any case. If it misses one that should
// have survived, the position that is recorded is wrong: PostgreSQL has recovered twice, and no server saw the first
// recovery.
const checkedEntries = 1000

// follow continues the feed in the present epoch of the log, after a recovery. It drops the entries that are
// lost, and resets the subscriptions that have received some of them. The error is that of a log that cannot
// continue the feed, if the feed cannot prove what is left.
func (f *Feed) follow(ctx context.Context) error {
	lineage, err := f.log.Lineage(ctx)
	if err != nil {
		return err
	}
	head := f.Head()
	path, ok := lineage.Since(head.epoch)
	if !ok || len(path) == 0 {
		return fmt.Errorf("%w: %s is not among its recoveries", ErrOtherLog, head.epoch)
	}
	newest, survived := path[len(path)-1], path.Survived()
	f.mu.RLock()
	xids := []uint64{}
	for _, e := range f.buffer.entries[f.buffer.firstChecked(survived):] {
		xids = append(xids, e.xid)
	}
	isProven := f.buffer.firstUnproven(survived) > 0 || f.buffer.floor.IsProven(survived)
	f.mu.RUnlock()
	if !isProven {
		return fmt.Errorf("%w: a recovery may have lost what the feed no longer holds", ErrOtherLog)
	}
	found, err := f.log.Survivors(ctx, xids)
	if err != nil {
		return err
	}
	if found.Epoch != newest.Epoch {
		return errors.New("look up transactions after a recovery: another recovery came")
	}
	return f.moveTo(ctx, newest, survived, &found)
}

// moveTo moves the feed to the epoch of a recovery, with the entries that survived.
func (f *Feed) moveTo(ctx context.Context, r Recovery, survived uint64, found *Survivors) error {
	f.mu.RLock()
	kept, isWrong := f.buffer.survivors(survived, found)
	isWhole := kept == len(f.buffer.entries)
	head := f.buffer.cursorBefore(f.buffer.first + uint64(kept))
	if isWhole {
		head = f.buffer.head
	}
	f.mu.RUnlock()
	if isWrong {
		if err := f.log.Distrust(ctx, r); err != nil {
			return err
		}
		return fmt.Errorf("%w: a recovery has lost more than PostgreSQL reports", ErrOtherLog)
	}
	if err := f.log.Confirm(ctx, r, head); err != nil {
		return err
	}
	lost := f.applyMove(move{from: head.epoch, to: r.Epoch, survived: survived, head: head}, kept)
	f.opts.Logger.Info("feed continues after a recovery of PostgreSQL", "recovery", r.ID, "cursor", f.Head().String(), "lost_transactions", lost)
	return nil
}

// applyMove drops all entries but the first ones, and sets the epoch of the rest. It returns how many it dropped.
func (f *Feed) applyMove(m move, kept int) (lost int) {
	var slow []*Pin
	defer func() { interruptAll(slow) }()
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.buffer
	m.end = r.first + uint64(kept)
	if lost = len(r.entries) - kept; lost > 0 {
		m.reason = ResetOtherLog
	}
	for len(r.entries) > kept {
		slow = append(slow, f.replays.pins.evict(r.entries[len(r.entries)-1])...)
		r.dropNewest()
	}
	r.floor = r.floor.InEpoch(m.to, m.survived)
	for _, e := range r.entries {
		before := e.size()
		e.complete(e.cursor.InEpoch(m.to, m.survived))
		r.size += e.size() - before
	}
	r.head = m.head.InEpoch(m.to, m.survived)
	f.addMove(m)
	if lost > 0 {
		f.stats.Resets++
	}
	f.signalChange()
	return lost
}

// addMove begins another generation. The caller must hold mu for writing.
func (f *Feed) addMove(m move) {
	f.generation++
	f.moves = append(f.moves, m)
	if len(f.moves) > maxMoves {
		f.moves = append(f.moves[:0], f.moves[1:]...)
	}
}

// IsProven reports whether the transactions in c survived, by position.
func (c Cursor) IsProven(survived uint64) bool { return c.lsn != 0 && c.lsn <= survived }

// firstUnproven returns the index of the first entry from which on none survived by position.
func (r *ringBuffer) firstUnproven(survived uint64) int {
	first := len(r.entries)
	for first > 0 && !r.entries[first-1].cursor.IsProven(survived) {
		first--
	}
	return first
}

// firstChecked returns the index of the first entry to look up: that which did not survive by position, or one of the
// newest in any case.
func (r *ringBuffer) firstChecked(survived uint64) int {
	return max(0, min(r.firstUnproven(survived), len(r.entries)-checkedEntries))
}

// survivors returns how many entries from the first on survived, one way or the other. isWrong says that one is
// missing that should have survived by position.
func (r *ringBuffer) survivors(survived uint64, found *Survivors) (kept int, isWrong bool) {
	checked := r.firstChecked(survived)
	for i, e := range r.entries[checked:] {
		isProven := e.cursor.IsProven(survived)
		if found.Transactions[e.xid] == e.digest() || isProven && e.xid < found.PrunedBelow {
			continue
		}
		return checked + i, isProven
	}
	return len(r.entries), false
}

// dropNewest drops the newest entry.
func (r *ringBuffer) dropNewest() {
	last := len(r.entries) - 1
	r.size -= r.entries[last].size()
	r.fields.Add(-r.entries[last].fieldSpace - r.entries[last].changeSpace)
	r.entries[last] = nil
	r.entries = r.entries[:last]
}

// digest identifies the events of the entry.
func (e *entry) digest() Digest {
	if e.inLog {
		return *e.left
	}
	var d Digest
	for i := range e.frames {
		d.Add(e.frames[i].id, e.frames[i].at)
	}
	return d
}

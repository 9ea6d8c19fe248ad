package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// checkedEntries is the number of the newest entries that follow looks up in any case, as a feed does.
const checkedEntries = 1000

// begin begins the stream anew, at the beginning of the log.
func (c *copier) begin(ctx context.Context, why string) error {
	prunedBelow, next, err := c.Log.Bounds(ctx)
	if err != nil {
		return err
	}
	tail, err := c.Log.Tail(ctx, 0, 0)
	if err != nil {
		return err
	}
	lineage, err := c.Log.Lineage(ctx)
	if err != nil {
		return err
	}
	if len(lineage) == 0 || lineage[0].Epoch != tail.Epoch() {
		return errors.New("begin the stream: the database has just recovered")
	}
	// The log may have pruned what is below: it honours no cursor that lacks some of it.
	base := Entry{Cursor: stream.NewCursor(tail.Epoch(), prunedBelow, nil).WithLSN(tail.LSN())}
	info := Info{Incarnation: rand.Text(), Changes: []Change{{At: 1, Epoch: tail.Epoch()}}, Lineage: lineage}
	mark := Mark{PrunedBelow: prunedBelow, Next: next}
	token := c.nextToken()
	if err := c.Store.Begin(ctx, c.Writer, Appended{Token: token, Entries: [][]byte{base.Encode()}, Whole: 1, Info: &info, Mark: &mark}); err != nil {
		return err
	}
	c.token = token
	c.info, c.number, c.last, c.whole, c.cursor, c.mark = info, 1, base, 1, base.Cursor, mark
	c.batch, c.batched = nil, batched{}
	c.Progress.begun.Add(1)
	c.Logger.Warn("stream begun anew at the beginning of the log", "why", why, "cursor", base.Cursor.String())
	return nil
}

// follow continues the stream in the present epoch of the log, after a recovery. It makes void what is lost. The error is
// stream.ErrOtherLog if it cannot prove what is left.
func (c *copier) follow(ctx context.Context) error {
	lineage, err := c.Log.Lineage(ctx)
	if err != nil {
		return err
	}
	path, ok := lineage.Since(c.info.Changes[len(c.info.Changes)-1].Epoch)
	if !ok || len(path) == 0 {
		return fmt.Errorf("%w: %s is not among its recoveries", stream.ErrOtherLog, c.cursor.Epoch())
	}
	newest, survived := path[len(path)-1], path.Survived()
	ends, err := c.ends(ctx, survived)
	if err != nil {
		return err
	}
	xids := make([]uint64, 0, len(ends))
	for _, e := range ends {
		if e.xid != 0 {
			xids = append(xids, e.xid)
		}
	}
	found, err := c.Log.Survivors(ctx, xids)
	if err != nil {
		return err
	}
	if found.Epoch != newest.Epoch {
		return errors.New("look up transactions after a recovery: another recovery came")
	}
	kept := ends[0]
	for _, e := range ends[1:] {
		isProven := e.cursor.IsProven(survived)
		if e.xid == 0 || found.Transactions[e.xid] == e.digest || isProven && e.xid < found.PrunedBelow {
			kept = e
			continue
		}
		if isProven {
			if err := c.Log.Distrust(ctx, newest); err != nil {
				return err
			}
			return fmt.Errorf("%w: a recovery has lost more than the database reports", stream.ErrOtherLog)
		}
		break
	}
	return c.moveTo(ctx, newest, survived, kept)
}

// ending is the end of a transaction in the stream.
type ending struct {
	number uint64
	xid    uint64 // 0 if the entry changes the cursor alone
	cursor stream.Cursor
	totals Totals
	digest stream.Digest
}

// ends returns the newest transactions of the stream, the oldest first. The first survived by position.
func (c *copier) ends(ctx context.Context, survived uint64) ([]ending, error) {
	st := &State{Info: c.info, Whole: c.whole}
	first, err := firstOf(ctx, c.Store, st)
	if err != nil {
		return nil, err
	}
	isProven := func(e *Entry, number uint64) bool { return st.present(number, e.Cursor).IsProven(survived) }
	if !isProven(&first.entry, first.number) {
		return nil, fmt.Errorf("%w: a recovery may have lost what the stream no longer holds", stream.ErrOtherLog)
	}
	at, err := searchIn(ctx, c.Store, st, first, isProven)
	if err != nil {
		return nil, err
	}
	for at.number > first.number && (at.number+c.checkedEntries > c.whole || at.entry.More) {
		number := at.number - 1
		if at.entry.More {
			number -= min(at.entry.Part, number)
		} else if c.whole > c.checkedEntries {
			number = min(number, c.whole-c.checkedEntries)
		} else {
			number = 0
		}
		if number = st.down(number); number <= first.number {
			at = first
			break
		}
		at.number = number
		if at.entry, err = entryAt(ctx, c.Store, number); err != nil {
			return nil, err
		}
	}
	return c.endsFrom(ctx, st, at)
}

// endsFrom returns the end of the place, and those of the transactions behind it.
func (c *copier) endsFrom(ctx context.Context, st *State, at place) ([]ending, error) {
	ends := []ending{{number: at.number, cursor: st.present(at.number, at.entry.Cursor), totals: at.entry.Totals}}
	var digest stream.Digest
	for next := at.number + 1; next <= c.whole; {
		page, err := c.Store.Range(ctx, next, c.pageEntries, pageBytes)
		if err != nil {
			return nil, err
		}
		if len(page.Entries) == 0 {
			return nil, ErrMoved
		}
		for _, s := range page.Entries {
			if next = s.Number + 1; s.Number > c.whole || st.enclosing(s.Number) != nil {
				continue
			}
			e, err := decode(s)
			if err != nil {
				return nil, err
			}
			if addTo(&digest, &e); !e.More {
				ends = append(ends, ending{s.Number, e.XID, st.present(s.Number, e.Cursor), e.Totals, digest})
				digest = stream.Digest{}
			}
		}
	}
	return ends, nil
}

// moveTo appends the change of the epoch, which makes void everything behind an entry.
func (c *copier) moveTo(ctx context.Context, r stream.Recovery, survived uint64, kept ending) error {
	if err := c.Log.Confirm(ctx, r, kept.cursor); err != nil {
		return err
	}
	lineage, err := c.Log.Lineage(ctx) // with what was confirmed
	if err != nil {
		return err
	}
	if len(lineage) == 0 || lineage[0].Epoch != r.Epoch {
		return errors.New("continue the stream after a recovery: another recovery came")
	}
	info := c.info
	info.Lineage = lineage
	info.Changes = append(slices.Clip(info.Changes), Change{At: c.number + 1, Kept: kept.number, Epoch: r.Epoch, Survived: survived})
	c.batch, c.batched = nil, batched{}
	lost := c.number - kept.number
	c.last.Totals = kept.totals
	c.put(Entry{Cursor: kept.cursor.InEpoch(r.Epoch, survived), LastID: c.last.LastID})
	if err := c.flush(ctx, &info, nil); err != nil {
		return err
	}
	c.info = info
	c.Logger.Info("stream continues after a recovery of the database", "recovery", r.ID, "cursor", c.cursor.String(), "void_entries", lost)
	return nil
}

// look reads the horizon and the recoveries of the log, if it has not for a while.
func (c *copier) look(ctx context.Context) error {
	if time.Since(c.boundsAt) < boundsInterval {
		return nil
	}
	var err error
	if c.mark.PrunedBelow, c.mark.Next, err = c.Log.Bounds(ctx); err != nil {
		return err
	}
	if err := c.trim(ctx); err != nil { // before any append: a server without memory accepts none
		return err
	}
	lineage, err := c.Log.Lineage(ctx)
	if err != nil {
		return err
	}
	if len(lineage) > 0 && lineage[0].Epoch == c.cursor.Epoch() && !isSameLineage(lineage, c.info.Lineage) {
		info := c.info
		info.Lineage = lineage
		if err := c.flush(ctx, &info, nil); err != nil {
			return err
		}
		c.info = info
	}
	c.boundsAt = time.Now()
	return nil
}

// isSameLineage reports whether both say the same, apart from the ages.
func isSameLineage(a, b stream.Lineage) bool {
	return slices.EqualFunc(a, b, func(a, b stream.Recovery) bool {
		a.Age, b.Age = 0, 0
		return reflect.DeepEqual(a, b)
	})
}

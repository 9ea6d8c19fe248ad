package relay

import (
	"context"
	"time"
)

// isTrimDue also bounds how far the stream gets above its limit between two removals.
func (c *copier) isTrimDue() bool {
	return time.Since(c.trimAt) >= trimInterval || c.untrimmed > c.MaxBytes/8
}

// trimWithin trims within a read of the log, which may last for long and be larger than the limit. The mark's Next stays: it belongs to the read's
// beginning.
func (c *copier) trimWithin(ctx context.Context) error {
	if !c.isTrimDue() {
		return nil
	}
	prunedBelow, _, err := c.Log.Bounds(ctx)
	if err != nil {
		return err
	}
	c.mark.PrunedBelow = max(c.mark.PrunedBelow, prunedBelow)
	return c.trim(ctx)
}

// trim removes what no cursor needs that the log honours, and what is above the limit of bytes.
func (c *copier) trim(ctx context.Context) error {
	if !c.isTrimDue() {
		return nil
	}
	c.trimAt, c.untrimmed = time.Now(), 0
	st := &State{Info: c.info, Whole: c.whole}
	first, err := firstOf(ctx, c.Store, st)
	if err != nil {
		return err
	}
	// The log honours every cursor that has seen all below its horizon: one of them needs the newest entry that has seen no more.
	isOld := func(e *Entry, _ uint64) bool {
		return e.Cursor.Next() <= c.mark.PrunedBelow || c.last.Totals.since(e.Totals).Bytes > uint64(c.MaxBytes)
	}
	if !isOld(&first.entry, first.number) {
		return nil
	}
	oldest, err := searchIn(ctx, c.Store, st, first, isOld)
	if err != nil {
		return err
	}
	if oldest.number > first.number {
		if err := c.Store.Trim(ctx, c.Writer, oldest.number); err != nil {
			return err
		}
	}
	return c.forgetChanges(ctx)
}

// forgetChanges removes the changes before the first entry that is left.
func (c *copier) forgetChanges(ctx context.Context) error {
	found, err := c.Store.Range(ctx, 1, 1, 1)
	if err != nil || len(found.Entries) == 0 {
		return err
	}
	n := 0
	for n < len(c.info.Changes)-1 && c.info.Changes[n].At <= found.Entries[0].Number && c.info.Changes[n+1].At <= found.Entries[0].Number {
		n++
	}
	if n == 0 {
		return nil
	}
	info := c.info
	info.Changes = info.Changes[n:]
	if err := c.flush(ctx, &info, nil); err != nil {
		return err
	}
	c.info = info
	return nil
}

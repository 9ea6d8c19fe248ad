package relay

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// refuseForeign returns an error that wraps ErrForeign if the stream is that of another log: two relays would else erase it in turns. It only
// looks, so that the other relay is not interrupted.
func (c *copier) refuseForeign(ctx context.Context) error {
	st, err := c.Store.State(ctx)
	if err != nil {
		return fmt.Errorf("take the stream: %w", err)
	}
	if st.Number == 0 || len(st.Changes) == 0 {
		return nil
	}
	lineage, err := c.Log.Lineage(ctx)
	if err != nil {
		return err
	}
	if len(lineage) > 0 && !st.isRelated(lineage) {
		return fmt.Errorf("take the stream: %w", ErrForeign)
	}
	return nil
}

// isRelated reports whether the log was in any of the epochs of the stream. One that was restored to before the newest of them was, too.
func (i *Info) isRelated(lineage stream.Lineage) bool {
	known := make(map[string]bool)
	for _, c := range i.Changes {
		known[c.Epoch] = true
	}
	for _, r := range i.Lineage {
		known[r.Epoch], known[r.Parent] = true, true
	}
	delete(known, "")
	return slices.ContainsFunc(lineage, func(r stream.Recovery) bool { return known[r.Epoch] || known[r.Parent] })
}

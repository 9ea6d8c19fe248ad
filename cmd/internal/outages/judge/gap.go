package judge

import "time"

// Gap is a time without an event.
type Gap struct {
	From, To time.Time
	Warned   bool // by a sync of the mode stale
}

// Length returns how long it was.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

// LongestGap returns the longest gap within a period.
func (c *Client) LongestGap(from, to time.Time) (longest Gap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begin := from
	measure := func(at time.Time) {
		if at.Sub(begin) > longest.Length() {
			longest = Gap{From: begin, To: at}
			for _, s := range c.stale {
				longest.Warned = longest.Warned || s.After(begin) && s.Before(at)
			}
		}
		begin = at
	}
	// From the end: only the newest receipts are of the period.
	first := len(c.receipts)
	for first > 0 && c.receipts[first-1].At.After(from) {
		first--
	}
	for _, r := range c.receipts[first:] {
		if r.At.Before(to) {
			measure(r.At)
		}
	}
	measure(to)
	return longest
}

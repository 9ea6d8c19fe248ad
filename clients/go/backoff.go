package pgherald

import (
	"context"
	"math/rand/v2"
	"time"
)

// Bounds of the delay before another attempt.
const (
	minBackoff    = time.Second // upper bound of the random part after the first failure; it doubles
	maxBackoff    = 30 * time.Second
	maxRetryAfter = time.Hour // longest delay that a server may demand
)

func randomBelow(d time.Duration) time.Duration { return rand.N(d) }

// backoff returns the delay that the server demands, plus a random part whose bound doubles with every failure. The
// random part spreads the reconnects of clients that lost the same server.
func (c *Client) backoff(demanded time.Duration, failures int) time.Duration {
	bound := min(minBackoff<<min(failures-1, 10), maxBackoff)
	return min(demanded, maxRetryAfter) + c.jitter(bound)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

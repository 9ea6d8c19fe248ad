package stream

import "context"

// ReadOnce is one turn of Follow.
func ReadOnce(f *Feed) error {
	_, err := f.read(context.Background())
	return err
}

// FeedOf is the feed that the subscription reads.
func FeedOf(s *Subscription) *Feed { return s.feed }

// Rest waits until just before nextPass.
var Rest = rest

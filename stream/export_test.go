package stream

import "context"

// ReadOnce reads the log as one turn of Run does.
func ReadOnce(f *Feed) error {
	_, err := f.read(context.Background())
	return err
}

// FeedOf returns the feed that the subscription reads.
func FeedOf(s *Subscription) *Feed { return s.feed }

package stream

import "context"

// ReadOnce reads the log as one turn of Run does.
func ReadOnce(f *Feed) error {
	_, err := f.read(context.Background())
	return err
}

// FeedOf returns the feed that the subscription reads.
func FeedOf(s *Subscription) *Feed { return s.feed }

// CatchUpBytes returns the bytes that catch-ups hold and have reserved, and how many replays are open.
func CatchUpBytes(f *Feed) (bytes int64, open int) {
	f.replays.mu.Lock()
	defer f.replays.mu.Unlock()
	return f.replays.bytes, len(f.replays.open)
}

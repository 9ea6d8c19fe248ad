package stream

import "context"

// Log reads the event log behind a feed: pgherald.events, or a model of it in tests. Its methods may
// be called concurrently.
type Log interface {
	// Read begins to read every event that is visible now and that from has not seen. Its error
	// wraps ErrOtherLog, ErrPruned or ErrFuture if the log cannot honour the cursor.
	Read(ctx context.Context, from Cursor) (Reading, error)
	// ReadTransaction begins to read the events of one committed transaction whose ids are above
	// after, in the log of the given epoch. The Transactions it yields have no Cursor.
	ReadTransaction(ctx context.Context, epoch string, xid uint64, after int64) (Reading, error)
	// Tail returns a cursor after which about the given number of events follow. With 0 it returns
	// the end of the log.
	Tail(ctx context.Context, events int) (Cursor, error)
}

// Reading yields transactions in the order of their last ids, a large one in parts. Between calls
// it holds no connection and no snapshot, so it may be abandoned at any time. It keeps at most a
// page of events in memory.
type Reading interface {
	// Next returns the next transaction or part of one, and io.EOF after the last. Its error wraps
	// ErrPruned if events were pruned meanwhile.
	Next(ctx context.Context) (Transaction, error)
	// Events returns the number of events that the reading yields in all, as known when it began. It
	// returns -1 if the number is not known or if some events are not public.
	Events() int
	// Cursor returns the cursor after everything that was yielded. It is valid once Next has returned
	// io.EOF.
	Cursor() Cursor
}

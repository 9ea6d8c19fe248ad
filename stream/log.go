package stream

import (
	"context"
	"errors"
)

// A log answers with one of these when it cannot honour a cursor. The client has to fetch its
// data anew; nothing else would be the truth.
var (
	// ErrOtherLog means that the cursor belongs to another log, or to a timeline of this one
	// that a failover or a restore has left.
	ErrOtherLog = errors.New("cursor of another log or timeline")
	// ErrPruned means that the log no longer reaches back to the cursor.
	ErrPruned = errors.New("cursor older than the log")
	// ErrFuture means that the cursor has seen transactions that do not exist yet.
	ErrFuture = errors.New("cursor from the future")
)

// Log is the source of truth behind a feed. Its methods may be called concurrently.
type Log interface {
	// Read begins to read everything visible now that from has not seen. Its error wraps
	// ErrOtherLog, ErrPruned or ErrFuture if the cursor cannot be honoured.
	Read(ctx context.Context, from Cursor) (Reading, error)
	// ReadTransaction begins to read the events of one committed transaction whose ids are above after, in
	// the log of the given epoch. The Transactions it yields have no Cursor.
	ReadTransaction(ctx context.Context, epoch string, xid uint64, after int64) (Reading, error)
	// Tail returns the cursor after which about the given number of events follow: with 0, the
	// end of the log.
	Tail(ctx context.Context, events int) (Cursor, error)
}

// Reading yields transactions in the order of their last ids, a large one in parts. It holds no
// connection and no snapshot between calls, so it may be left at any time, and it keeps no more
// than a page of events in memory.
type Reading interface {
	// Next returns the next transaction or part of one, and io.EOF after the last. Its error
	// wraps ErrPruned if events are gone by now.
	Next(ctx context.Context) (Transaction, error)
	// Events is how many events the reading had to yield when it began, -1 if that is not known or
	// if some are not for everyone.
	Events() int
	// Cursor is the cursor after everything that was yielded, once Next has returned io.EOF.
	Cursor() Cursor
}

// resetReason returns the reset reason that the log's error stands for, and "" for any other error.
func resetReason(err error) ResetReason {
	switch {
	case errors.Is(err, ErrOtherLog):
		return ResetOtherLog
	case errors.Is(err, ErrPruned):
		return ResetPruned
	case errors.Is(err, ErrFuture):
		return ResetFuture
	}
	return ""
}

package stream

import (
	"context"
	"errors"
	"io"
)

// Log reads the event log behind a feed: pgherald.events, or a model of it in tests. Its methods may
// be called concurrently.
type Log interface {
	// Read begins to read every event that is visible now and that from has not seen. Its error
	// wraps ErrOtherLog, ErrPruned or ErrFuture if the log cannot honour the cursor.
	Read(ctx context.Context, from Cursor) (Reading, error)
	// Check returns the number of events that are visible now and that from has not seen; -1 if it is not
	// known or if some of them are not public. Its error is like Read's.
	Check(ctx context.Context, from Cursor) (events int, err error)
	// Resume begins to read like Read, but does not fetch any event yet.
	Resume(ctx context.Context, from Cursor) (Reading, error)
	// ReadTransaction begins to read the events of one committed transaction whose ids are above
	// after, in the log of the given epoch. The Transactions it yields have no Cursor. It fetches no event
	// yet.
	ReadTransaction(ctx context.Context, epoch string, xid uint64, after int64) (Reading, error)
	// Tail returns a cursor after which about the given number of events follow, or fewer if those take
	// more bytes. With 0 events it returns the end of the log.
	Tail(ctx context.Context, events int, bytes int64) (Cursor, error)

	// Lineage returns the recoveries that led to the log's present epoch.
	Lineage(ctx context.Context) (Lineage, error)
	// Survivors looks up transactions in the present epoch.
	Survivors(ctx context.Context, xids []uint64) (Survivors, error)
	// Confirm records for other servers that every transaction in c, a cursor of an earlier epoch, is in the log
	// since the recovery.
	Confirm(ctx context.Context, r Recovery, c Cursor) error
	// Distrust records that Recovery.Survived is wrong.
	Distrust(ctx context.Context, r Recovery) error
}

// IsEnd reports whether an error of Reading.Next says that nothing is left: it is io.EOF itself. One that wraps io.EOF tells of a connection
// that ended before its answer, after which there may be more.
func IsEnd(err error) bool { return err == io.EOF } //nolint:errorlint // see above

// Reading yields transactions in the order of their last ids, a large one in parts. Between calls
// it holds no connection and no snapshot, so it may be abandoned at any time. It keeps at most a
// page of events in memory.
type Reading interface {
	// Next returns the next transaction or part of one, and io.EOF after the last, see IsEnd. It may leave out events
	// in which wants has no interest, and then yields transactions without events. Its error wraps
	// ErrPruned if events were pruned meanwhile; after any error but that, Next can be called again.
	Next(ctx context.Context, wants Interest) (Transaction, error)
	// Buffered returns how many Transactions have been fetched and not yet returned.
	Buffered() int
	// Cursor returns the cursor after everything that was yielded. It is valid once Next has returned
	// io.EOF.
	Cursor() Cursor
}

// The errors of a Log that cannot honour a cursor; it wraps one of them. The client must then fetch
// its data again.
var (
	// ErrOtherLog means that the cursor belongs to another log, or to an earlier epoch of this log. Lineage says
	// whether it is right in the present one.
	ErrOtherLog = errors.New("cursor of another log or epoch")
	// ErrPruned means that the log no longer reaches back to the cursor.
	ErrPruned = errors.New("cursor older than the log")
	// ErrFuture means that the cursor has seen transactions that do not exist yet.
	ErrFuture = errors.New("cursor from the future")
)

// ResetReason says why a client cannot resume. Clients receive it in a sync event.
type ResetReason string

// The reset reasons, each with the error that causes it.
const (
	ResetMalformed ResetReason = "malformed" // ErrMalformedCursor
	ResetOtherLog  ResetReason = "other_log" // ErrOtherLog
	ResetPruned    ResetReason = "pruned"    // ErrPruned
	ResetFuture    ResetReason = "future"    // ErrFuture
)

// ResetReasons returns every reason.
func ResetReasons() []ResetReason {
	return []ResetReason{ResetMalformed, ResetOtherLog, ResetPruned, ResetFuture}
}

// resetReason returns the reset reason for an error of the log, and "" if the error has none.
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

// ResetError says that a subscription could not continue and now stands at the head of the feed.
// Pending and CatchUp return it: send the client a reset with the reason, and continue.
type ResetError struct{ Reason ResetReason }

func (e *ResetError) Error() string { return "continue after the cursor: " + string(e.Reason) }

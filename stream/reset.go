package stream

import "errors"

// The errors of a Log that cannot honour a cursor; it wraps one of them. The client must then fetch
// its data again.
var (
	// ErrOtherLog means that the cursor belongs to another log, or to a timeline of this log that a
	// failover or a restore has abandoned.
	ErrOtherLog = errors.New("cursor of another log or timeline")
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

package sse

import (
	"errors"
	"time"
)

// CloseReason says why a stream ended: a value for logs and a label of the metrics. It is also an
// error, so that it can be the cause of a context's end.
type CloseReason string

// The reasons. CloseOther stands for an error of the log or of the response; End.Err holds it.
const (
	CloseClientGone   CloseReason = "client_gone"   // the client closed the connection
	CloseSlow         CloseReason = "slow"          // the client took nothing for the write timeout
	CloseDraining     CloseReason = "draining"      // the server drains
	CloseExpired      CloseReason = "expired"       // the lease ended
	CloseServerClosed CloseReason = "server_closed" // the server closed before it had drained the stream
	CloseOther        CloseReason = "other"
)

// CloseReasons returns every reason.
func CloseReasons() []CloseReason {
	return []CloseReason{CloseClientGone, CloseSlow, CloseDraining, CloseExpired, CloseServerClosed, CloseOther}
}

// Error returns the reason's text.
func (r CloseReason) Error() string { return string(r) }

// reasonOf returns the close reason that err wraps, or else CloseOther.
func reasonOf(err error) CloseReason {
	if reason, ok := errors.AsType[CloseReason](err); ok {
		return reason
	}
	return CloseOther
}

// End describes a stream that has ended.
type End struct {
	Reason   CloseReason
	Err      error // with CloseOther, the error that ended the stream; else nil
	Duration time.Duration
	Bytes    int64  // written to the client
	Events   uint64 // of the log, written to the client
}

// newEnd describes the end of a stream that err ended.
func newEnd(err error, duration time.Duration, bytes int64, events uint64) End {
	e := End{Reason: reasonOf(err), Duration: duration, Bytes: bytes, Events: events}
	if e.Reason == CloseOther {
		e.Err = err
	}
	return e
}

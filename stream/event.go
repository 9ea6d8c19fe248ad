package stream

import (
	"encoding/json"
	"time"
)

// Event is one row of the log.
type Event struct {
	ID   int64  // the id of the row
	Type string // such as activity_created
	Key  string // of the row in the watched table; empty if none
	// Audience holds the tags of the clients that may receive the event. A client needs one of
	// them as a grant. nil makes the event public; an empty Audience withholds it from every client.
	Audience []string
	Data     json.RawMessage // valid JSON, as PostgreSQL wrote it
	At       time.Time       // when the row was written, by PostgreSQL's clock

	// Was holds the former values of the filter fields that an update changed, and those of a delete that Data lacks, as
	// a JSON object; nil if there are none.
	Was json.RawMessage
	// AudienceWas holds the former audience if an update changed it; nil if not. A row that every client could receive
	// had the audience {Everyone}.
	AudienceWas []string

	// Incomplete says why the event has no Data, nor Was; empty if it has.
	Incomplete Incomplete
}

// Incomplete says why a client receives an event without its data.
type Incomplete string

// The reasons. For the last two, Lost makes the event that clients receive.
const (
	// Oversized means that the event is too large. It has no Key either if that is long.
	Oversized Incomplete = "oversized"
	// Unreadable means that PostgreSQL cannot send the row.
	Unreadable Incomplete = "unreadable"
	// AudienceTooLarge means that the server cannot decide who may receive the event.
	AudienceTooLarge Incomplete = "audience_too_large"
)

// Incompletes returns every reason.
func Incompletes() []Incomplete { return []Incomplete{Oversized, Unreadable, AudienceTooLarge} }

// Lost returns the event that stands for one that no client can receive: it asks every client to fetch
// again what that event could have been about. Of the row it shows the type alone, because the audience may
// be unknown; the type is empty if it is not known either. sqlState is empty if PostgreSQL reported no error.
func (e Event) Lost(why Incomplete, sqlState string) Event {
	data, _ := json.Marshal(struct { // strings cannot fail
		Type     string     `json:"type,omitempty"`
		Reason   Incomplete `json:"reason"`
		SQLState string     `json:"sqlstate,omitempty"`
	}{e.Type, why, sqlState})
	return Event{ID: e.ID, Type: TypeCollectionReset, Data: data, At: e.At, Incomplete: why}
}

// TypeCollectionReset is the type of an event of the log that asks every client, whatever its filter, to
// fetch the rows of a table or the events of a type again.
const TypeCollectionReset = "collection_reset"

// Transaction holds the events of one transaction, in the order in which they were written. A large
// one comes in parts.
type Transaction struct {
	XID    uint64
	Events []Event
	Cursor Cursor // after the transaction
	More   bool   // the next Transaction holds further events of this one
}

// The types of the events that the stream itself sends. The log holds none of them.
const (
	TypeSync      = "sync"      // says what the stream continues from, see Sync
	TypeHeartbeat = "heartbeat" // carries a cursor, see Subscription.Heartbeat
	TypeBatch     = "batch"     // holds several events, see Filter.Batched
)

// SyncMode says what a sync event means for the data that the client has.
type SyncMode string

const (
	// ModeLive means that the client sent no cursor: it receives events from now on. After ModeStale it
	// means that the log is read again: what was written meanwhile has been sent, or follows.
	ModeLive SyncMode = "live"
	// ModeResumed means that the server honours the client's cursor: the missed events follow.
	ModeResumed SyncMode = "resumed"
	// ModeReset means that the server cannot honour the client's cursor: fetch all data again.
	ModeReset SyncMode = "reset"
	// ModeExpired means that the client's lease has ended: reconnect with a new token.
	ModeExpired SyncMode = "expired"
	// ModeStale means that the server cannot read the log: events may be missing from the time of
	// Sync.Since on. The stream goes on, and ModeLive follows once the log is read again; nothing is lost.
	ModeStale SyncMode = "stale"
	// ModeDraining means that the server shuts down: reconnect and resume at another server.
	ModeDraining SyncMode = "draining"
)

// Sync is the data of a sync event, the first event of every stream.
type Sync struct {
	Mode SyncMode `json:"mode"`
	// Reason is set for ModeReset only.
	Reason ResetReason `json:"reason,omitempty"`
	// Since is the time of the last successful read of the log, by the server's clock, as in RFC 3339. It is
	// set for ModeStale only.
	Since string `json:"since,omitempty"`
	// Events is the number of missed events that follow. It is nil if the server would have to read
	// the events to count them: if the filter conflates, or if the events come from the log and some
	// are not public or the filter is selective.
	Events *int `json:"events,omitempty"`
	// Repeats says that the client's cursor was cut: the missed events may include some that it has received.
	Repeats bool `json:"repeats,omitempty"`
	// Connection names a stream that has a lease, so that its client can renew it.
	Connection string `json:"connection,omitempty"`
	// Expires is the end of the lease in Unix milliseconds, 0 without a lease.
	Expires int64 `json:"expires,omitempty"`
	// Heartbeat is the time between two heartbeats in milliseconds, in the first sync event of a stream. A client that
	// hears nothing for much longer has lost its connection.
	Heartbeat int64 `json:"heartbeat,omitempty"`
}

// Stale returns the sync event for a client while the log cannot be read.
func Stale(lastRead time.Time) Sync {
	return Sync{Mode: ModeStale, Since: lastRead.UTC().Format("2006-01-02T15:04:05.000Z")}
}

// Sync appends a sync event to dst.
func (s *Subscription) Sync(dst []byte, sync Sync, now time.Time) []byte {
	return appendControl(s.appendControlID(dst), TypeSync, sync, now)
}

// Heartbeat appends a heartbeat event to dst. Its cursor moves the client forward past transactions
// that wrote no event and past events that the filter does not match.
func (s *Subscription) Heartbeat(dst []byte, now time.Time) []byte {
	s.advanceToHead()
	return appendControl(s.appendControlID(dst), TypeHeartbeat, struct{}{}, now)
}

// appendControlID appends the id line of a sync or heartbeat event. Within a transaction it appends
// none: an id line would say that the client has the whole transaction.
func (s *Subscription) appendControlID(dst []byte) []byte {
	if s.frame > 0 {
		return dst
	}
	return appendID(dst, s.cursor)
}

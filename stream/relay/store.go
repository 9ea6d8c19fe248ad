package relay

import (
	"context"
	"errors"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Entries is a store as its readers see it. Its methods may be called concurrently.
type Entries interface {
	// State returns the state of the stream; the zero State if there is none.
	State(ctx context.Context) (State, error)
	// Range returns stored entries from a number on, without a gap: at most max, and no more once they have the given bytes. If entries from
	// that number on were removed, it begins with the first that is left.
	Range(ctx context.Context, from uint64, max int, bytes int64) (Page, error)
	// Look returns the state, and what Range returns, of one moment.
	Look(ctx context.Context, from uint64, max int, bytes int64) (State, Page, error)
	// Wait waits until there may be an entry above the number. It also returns nil after a second or less without one.
	Wait(ctx context.Context, after uint64) error
}

// Store is a store as the relay sees it. A write either happens whole or not at all, also if its answer is lost. Errors of writes say what was not written.
type Store interface {
	Entries
	// Claim makes the writer's term the present one, and begins a fork. Writes of earlier terms fail from then on. It returns ErrStale if a later one, or
	// another owner of the same, has claimed it; the state holds the present term in any case.
	Claim(ctx context.Context, w Writer, fork string) (State, error)
	// Append appends entries behind the last one, which must be that of the given write. It returns ErrMoved if another one is the last, and
	// ErrStale as Claim does.
	Append(ctx context.Context, w Writer, last Last, a Appended) error
	// Begin removes everything, and makes the entry the first of a new stream, and of a fork that its token names. The time of the mark stays; without one, it is
	// long ago.
	Begin(ctx context.Context, w Writer, a Appended) error
	// Trim removes entries below a number, as many as the store can remove cheaply.
	Trim(ctx context.Context, w Writer, below uint64) error
}

// Page holds entries, and the fork to which they belonged when they were read.
type Page struct {
	Fork    string
	Entries []Stored
}

// Stored is an entry in a store.
type Stored struct {
	Number uint64
	Data   []byte
}

// Writer identifies a relay.
type Writer struct {
	Term  uint64
	Owner string
}

// Last identifies the end of a stream. The number alone does not: after a store was restored from an old dump, another history may have got as
// far.
type Last struct {
	Number uint64 // of the newest entry; 0 without one
	Token  string // of the newest write
}

// Appended holds the entries of a write, and the parts of the state that it replaces.
type Appended struct {
	Token   string // of this write: no other has the same
	Entries [][]byte
	Whole   uint64 // see State
	Info    *Info  // nil keeps the present one
	Mark    *Mark  // nil keeps the present one
}

// State describes the stream.
type State struct {
	Writer
	Last
	// Fork names the writes since a relay looked where the stream ends. Another relay, or this one after the store has lost something, begins
	// another. So of two entries of one fork the earlier is before the later.
	Fork  string
	Whole uint64 // the number of the newest entry that ends a transaction: readers go no further
	Info
	InfoAge time.Duration // since the info was written
	Mark    Mark
	MarkAge time.Duration // since the mark was written
}

// Info describes the whole stream for readers.
type Info struct {
	// Incarnation is another one after each Begin.
	Incarnation string
	// Changes are the changes of the epoch, ascending. The first says in which epoch the stream begins.
	Changes []Change
	// Lineage is that of the log. Its ages are of the time at which the info was written.
	Lineage stream.Lineage
}

// Change is a change of the epoch.
type Change struct {
	At       uint64 `json:"at"`   // the number of the entry
	Kept     uint64 `json:"kept"` // entries above, and below At, are void
	Epoch    string `json:"epoch"`
	Survived uint64 `json:"survived"` // see stream.Lineage.Survived
}

// Mark says when the relay has last read the log to its end.
type Mark struct {
	Whole       uint64 `json:"whole"`       // State.Whole then
	PrunedBelow uint64 `json:"prunedBelow"` // the log's horizon
	Next        uint64 `json:"next"`        // the log had begun no transaction from here on, a moment before
}

// The errors of writes. Their writer has to begin again.
var (
	// ErrStale says that another relay has a later term.
	ErrStale = errors.New("another relay writes to the stream: relays of one stream need the same --name")
	// ErrMoved says that the stream does not end where the relay has written last: the store has lost something.
	ErrMoved = errors.New("the stream does not end with the last entry that was written")
)

// ErrForeign says that the stream holds the log of another database.
var ErrForeign = errors.New("the stream holds the log of another database: give each database a key of its own in the URL, " +
	"or remove the stream's keys if the other is gone")

// passingError says that the stream cannot be read now. The same may succeed later.
type passingError string

func (e passingError) Error() string { return "read the stream: " + string(e) }

// IsOutage returns true.
func (passingError) IsOutage() bool { return true }

// errNone says that there is no stream.
const errNone = passingError("it is empty: pgherald relay has not begun it yet")

// epoch returns the present epoch.
func (s *State) epoch() string {
	if len(s.Changes) == 0 {
		return ""
	}
	return s.Changes[len(s.Changes)-1].Epoch
}

// enclosing returns the change that has made the entry with that number void, nil if none has.
func (i *Info) enclosing(number uint64) *Change {
	for n := len(i.Changes) - 1; n >= 0; n-- {
		if c := &i.Changes[n]; c.Kept < number && number < c.At {
			return c
		}
	}
	return nil
}

// up returns the number, or that of the next entry which is not void.
func (i *Info) up(number uint64) uint64 {
	for c := i.enclosing(number); c != nil; c = i.enclosing(number) {
		number = c.At
	}
	return number
}

// down returns the number, or that of the entry before which is not void.
func (i *Info) down(number uint64) uint64 {
	for c := i.enclosing(number); c != nil; c = i.enclosing(number) {
		number = c.Kept
	}
	return number
}

// present returns the entry's cursor in the present epoch. The entry must not be void.
func (i *Info) present(number uint64, c stream.Cursor) stream.Cursor {
	for _, change := range i.Changes {
		if change.At > number {
			c = c.InEpoch(change.Epoch, change.Survived)
		}
	}
	return c
}

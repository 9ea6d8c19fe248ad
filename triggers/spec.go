package triggers

import "slices"

// A Spec lists the watched tables and the events that their writes give. [Parse] makes one.
type Spec struct {
	// Name distinguishes the specs of a database. Parse sets it to "default" where the file has none.
	Name string
	// Version orders the states of a spec: a lower one does not replace a higher one. 0 means none.
	Version int64
	Tables  []Table
	// Patterns watch tables that the catalog lists. Every function of this package replaces them by these tables.
	Patterns []Pattern
	// source is the hash of the spec whose patterns were replaced.
	source string
}

// isEmpty reports whether the spec watches nothing, whatever is in the database.
func (s Spec) isEmpty() bool { return len(s.Tables) == 0 && len(s.Patterns) == 0 }

// lists reports whether the spec has an entry for a table.
func (s Spec) lists(name Name) bool {
	return slices.ContainsFunc(s.Tables, func(t Table) bool { return t.Name == name })
}

// A Table is one watched table. Parse has already applied inheritance: each event holds its own key,
// payload and audience.
type Table struct {
	Name Name
	// Key names the columns that identify a row. Empty means the primary key.
	Key []string
	// Joins follow n and o in the FROM clause of every event.
	Joins []Join
	// Insert, Update and Delete are the events of one row, in the order of writing.
	Insert, Update, Delete []Event
	Truncate               Truncate
	// AbortOnError makes an error in the SQL of an event fail the application's write. Otherwise the trigger
	// writes a collection_reset instead of the row's events.
	AbortOnError bool
	// BigintAsText makes payloads show bigint columns as strings, which JavaScript reads without loss.
	BigintAsText bool
	// Columns chooses those of the default payload.
	Columns Columns `json:",omitzero"`
	// DefaultEvents watches inserts, updates and deletes, with types that begin with the table's name. A table
	// without a key is watched for inserts only.
	DefaultEvents bool `json:",omitempty"`
	// Collection names the collection of the table's rows. Empty means that it is none.
	Collection string `json:",omitempty"`
	// Row holds the fields of the payload that are the row. Empty means all of them.
	Row []string `json:",omitempty"`
	// Filter holds the fields of the row by which clients may filter. FilterAll means all that have a kind.
	Filter    []string `json:",omitempty"`
	FilterAll bool     `json:",omitempty"`
	// isOffered reports that the collection is a default: a table that cannot be one is watched all the same.
	isOffered bool
	// moves are what an update of a row writes beside its event. generate sets them.
	moves moves
	// pattern is the one that chose the table. It is empty for a table that the spec lists.
	pattern string
	// isNamed reports that Columns chose the columns of the default payload from those that the table has.
	isNamed bool
	// unfiltered are the fields that cannot be filter fields, each with the reason.
	unfiltered []string
	// broken says why the table cannot be watched as the spec says.
	broken error
}

// A Join brings another table into scope, such as `public.activities a on a.id = n.activity_id`.
type Join struct {
	// Left keeps the event if no row matches. An inner join drops it.
	Left bool
	SQL  string
}

// An Event describes what the trigger writes for one row. Every field but Type is SQL over n and o.
type Event struct {
	Type string
	// When is a condition. Empty means always.
	When string
	// Key is cast to text. Empty means the key of the table.
	Key string
	// Payload holds the fields of the JSON object, in order. Empty means all columns of n.
	Payload []Field
	// Audience is a text[]. Empty means every client. If the expression yields null, the event has an empty
	// audience and reaches no client.
	Audience string
}

// A Field is one field of a payload.
type Field struct {
	Name, SQL string
}

// Truncate describes what a TRUNCATE gives: no event (the zero value), one event without a key, or a
// delete event for every row.
type Truncate struct {
	Type      string
	AsDeletes bool
}

// truncatedType is the default event of a TRUNCATE on a table whose deletes are watched: without it,
// rows would disappear without an event.
const truncatedType = "table_truncated"

// typeReset is the type of the event that tells clients to load a table again.
const typeReset = "collection_reset"

// The operations, as SQL spells them. opRow names the function of a row trigger, which serves the first three.
const (
	opRow      = "row"
	opInsert   = "insert"
	opUpdate   = "update"
	opDelete   = "delete"
	opTruncate = "truncate"
)

// rowOps lists the watched operations on rows.
func (t Table) rowOps() []string {
	var ops []string
	for _, op := range []string{opInsert, opUpdate, opDelete} {
		if t.isWatched(op) {
			ops = append(ops, op)
		}
	}
	return ops
}

func (t Table) isWatched(op string) bool {
	if op == opTruncate {
		return t.Truncate != Truncate{}
	}
	return len(t.events(op)) > 0
}

// RowEvents returns the events of inserts, updates and deletes, in this order.
func (t Table) RowEvents() []Event { return slices.Concat(t.Insert, t.Update, t.Delete) }

func (t Table) events(op string) []Event {
	switch op {
	case opInsert:
		return t.Insert
	case opUpdate:
		return t.Update
	case opDelete:
		return t.Delete
	}
	return nil
}

// isSpecName accepts the same names as the table pgherald.specs.
func isSpecName(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c && c <= 'z'
		other := '0' <= c && c <= '9' || c == '_' || c == '-'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return 0 < len(text) && len(text) <= 63
}

// isEventType accepts the same names as the SQL function pgherald.publish.
func isEventType(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c && c <= 'z'
		other := '0' <= c && c <= '9' || c == '_' || c == '.' || c == ':' || c == '-'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return 0 < len(text) && len(text) <= 63
}

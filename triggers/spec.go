package triggers

// A Spec says which tables are watched and which events their writes give. Only [Parse] makes one.
type Spec struct {
	Tables []Table
}

// A Table is one watched table. Inheritance from the table to its events is already done: each
// event holds the key, payload and audience that apply to it.
type Table struct {
	Name Name
	// Key names the columns that tell one row from another; none means the primary key.
	Key []string
	// Joins are set after n and o in the FROM clause of every event.
	Joins []Join
	// Insert, Update and Delete are the events of one row, in the order they are written.
	Insert, Update, Delete []Event
	Truncate               Truncate
}

// A Join brings a further table into scope, such as `public.activities a on a.id = n.activity_id`.
type Join struct {
	// Left keeps the event when nothing matches; otherwise there is no event.
	Left bool
	SQL  string
}

// An Event is what one row of a statement gives. Everything but Type is SQL over n and o.
type Event struct {
	Type string
	// When is a condition; empty means always.
	When string
	// Key is cast to text; empty means the key of the table.
	Key string
	// Payload holds the fields of the JSON object, in order; none means all columns of n.
	Payload []Field
	// Audience is a text[]; where it comes out as null, nobody hears the event. Empty means everyone.
	Audience string
}

// A Field is one field of a payload.
type Field struct {
	Name, SQL string
}

// Truncate says what a TRUNCATE gives: nothing (the zero value), one event without a key, or the
// delete events of every row.
type Truncate struct {
	Type      string
	AsDeletes bool
}

// The operations, as they appear in the names of functions and triggers.
const (
	opInsert   = "insert"
	opUpdate   = "update"
	opDelete   = "delete"
	opTruncate = "truncate"
)

// watches lists the operations that need a trigger on this table.
func (t Table) watches() []string {
	var ops []string
	for _, op := range []string{opInsert, opUpdate, opDelete, opTruncate} {
		if t.watched(op) {
			ops = append(ops, op)
		}
	}
	return ops
}

func (t Table) watched(op string) bool {
	if op == opTruncate {
		return t.Truncate != Truncate{}
	}
	return len(t.events(op)) > 0
}

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

package listing

// Kind says what is wrong with a request, or with the collection.
type Kind int

// The kinds of errors.
const (
	Unknown      Kind = iota // there is no such collection
	NoRow                    // there is no such row, or the client may not see it
	BadPosition              // Query.After belongs to another list, or to none
	BadValue                 // PostgreSQL cannot read a value of Query.Where
	LongPosition             // the values of the order are too long for a position
	TooLarge                 // the row does not fit into the memory for lists
	NoMemory                 // other requests use the memory for lists
	SlowList                 // reading took too long
	SlowCount                // counting took too long
	NoRight                  // a right is missing in the database
	Changed                  // the table has changed since the spec was applied
	Unreadable               // PostgreSQL cannot send the row
	Broken                   // the SQL of the spec raised an error for a row
)

// Error is an error that says who can do something about it.
type Error struct {
	Kind       Kind
	Collection string
	Key        string // of the row, if it is about one
	Bytes      int64  // of a row that is too large
	Cause      error
	Remedy     string // for operators
}

// Error describes the error for operators.
func (e *Error) Error() string {
	text := "read the collection " + e.Collection
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

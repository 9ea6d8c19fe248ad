package collection

// Op names what an event does to the rows of a collection.
type Op string

// The operations. After OpReset, nothing is known about the rows: load them again.
const (
	OpInsert Op = "insert"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
	OpReset  Op = "reset"
)

// Collection is a watched table as clients see it.
type Collection struct {
	Name  string        // in URLs and envelopes
	Table string        // with its schema, quoted where SQL needs it, as in the data of table_truncated
	Key   []string      // the columns of the key; never empty
	Types map[string]Op // the types of its events; each belongs to one collection
	// Truncated is the type of the event that a TRUNCATE gives, empty if it gives none. Other tables may have it, too.
	Truncated string
	// Others are further tables whose events have its types: without these events, its rows are not up to date either.
	Others []string
	Fields []Field // the members of a row, in order
}

// Field is a member of the rows of a collection.
type Field struct {
	Name     string
	Type     string // PostgreSQL's name for it, such as numeric(10,2) or text[]
	Nullable bool
	// JSONType is the type whose JSON the values have: without domains, with text in place of an enum or a bigint that is
	// shown as text, and record for a composite type. It is empty if that is not known.
	JSONType string
	// Filter says that clients may filter and order by the field, and how its values compare. It is empty for other fields.
	Filter Kind
	// Column is the column of the table that the field shows. It is set if Filter is.
	Column string
	// Labels are the values of an enum, in its order.
	Labels []string
	// SQLType is the type of an enum as SQL names it, such as public."order status". It is not that of a domain over it,
	// and empty for other kinds.
	SQLType string
	// FilterSince is the transaction from which on events hold the former value of the field if they changed it.
	FilterSince uint64
	// IsHidden says that clients may no longer filter or order by the field. Filters that were parsed before keep it: see
	// Set.Narrow.
	IsHidden bool
}

// MayFilter reports whether clients may filter and order by the field.
func (f *Field) MayFilter() bool { return f.Filter != "" && !f.IsHidden }

// Kind says how the values of a filter field compare.
type Kind string

// The kinds. Texts and enums have no order here, because SQL's depends on a collation or a type.
const (
	Text        Kind = "text"
	Enum        Kind = "enum"
	Boolean     Kind = "boolean"
	Integer     Kind = "integer" // smallint, integer and bigint
	Numeric     Kind = "numeric"
	UUID        Kind = "uuid"
	Date        Kind = "date"
	Timestamp   Kind = "timestamp"
	Timestamptz Kind = "timestamptz"
)

// Field returns the field of that name, nil if there is none.
func (c *Collection) Field(name string) *Field {
	for i := range c.Fields {
		if c.Fields[i].Name == name {
			return &c.Fields[i]
		}
	}
	return nil
}

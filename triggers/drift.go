package triggers

// A Kind classifies a Drift. There are few, so that a metric can count by it.
type Kind string

// The kinds of drift. See Kind.MayMiss for those that lose events, and Kind.IsWarning for those that apply
// cannot remove and that need not be wrong.
const (
	// KindTable is a table that cannot be watched: it does not exist, or lacks a key.
	KindTable Kind = "table"
	// KindExpression is an expression that does not fit its table, because a column was dropped for example.
	KindExpression Kind = "expression"
	// KindCollection is a table that cannot be the collection that the spec makes of it.
	KindCollection Kind = "collection"
	// KindMissing is a trigger or function that does not exist.
	KindMissing Kind = "missing"
	// KindDisabled is a trigger that does not fire.
	KindDisabled Kind = "disabled"
	// KindDiffers is a trigger or function that is not the one of the spec.
	KindDiffers Kind = "differs"
	// KindExtra is a trigger or function that the spec does not have.
	KindExtra Kind = "extra"
	// KindRenamed is a trigger of a watched table on another table, which had that name before.
	KindRenamed Kind = "renamed"
	// KindPrivilege is a function with the wrong owner or privileges.
	KindPrivilege Kind = "privilege"
	// KindPartition is a partition without the trigger for TRUNCATE. PostgreSQL makes the one for rows itself.
	KindPartition Kind = "partition"
	// KindOwner is a table that another spec watches, or a function of which nothing says whose it is.
	KindOwner Kind = "owner"
	// KindSuperseded is a spec that is older than the installed one. Nothing else is compared with it.
	KindSuperseded Kind = "superseded"
	// KindRowSecurity is row-level security that hides rows from a trigger function.
	KindRowSecurity Kind = "row_security"
	// KindNoAudience is a table with row-level security whose events reach every client.
	KindNoAudience Kind = "no_audience"
	// KindNew is a table that matches a pattern of the spec and has no trigger yet.
	KindNew Kind = "new"
	// KindNewColumns is a table with columns that were added since its triggers were made, and that its events lack.
	KindNewColumns Kind = "new_columns"
	// KindUnlogged is a table that a crash empties without events.
	KindUnlogged Kind = "unlogged"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		KindTable, KindExpression, KindCollection, KindMissing, KindDisabled, KindDiffers, KindExtra, KindRenamed, KindPartition, KindPrivilege,
		KindOwner, KindSuperseded, KindRowSecurity, KindNoAudience, KindNew, KindNewColumns, KindUnlogged,
	}
}

// MayMiss reports whether writes to the table may have given no event, or the wrong one. KindPartition is not
// among them: partitions come regularly, and a TRUNCATE of one is rare.
func (k Kind) MayMiss() bool {
	switch k {
	case KindTable, KindMissing, KindDisabled, KindDiffers, KindRenamed, KindRowSecurity:
		return true
	}
	return false
}

// IsGrowth reports whether the tables have grown since the last apply: all that is watched is watched as it should be.
func (k Kind) IsGrowth() bool { return k == KindNew || k == KindNewColumns }

// IsWarning reports whether the triggers match the spec all the same.
func (k Kind) IsWarning() bool { return k == KindNoAudience || k == KindUnlogged }

// Drift is one difference between the spec and the database.
type Drift struct {
	Kind Kind
	// Table is the watched table, as in the spec. It is the zero Name if no table of the spec is concerned.
	Table Name
	// Message describes the difference, and Remedy how to remove it.
	Message, Remedy string
}

// String returns the drift as one line.
func (d Drift) String() string { return d.Message + "; " + d.Remedy }

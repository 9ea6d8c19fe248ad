package stream

import "encoding/json"

// CollectionReset is the data of a collection_reset. What it does not say is empty.
type CollectionReset struct {
	Table, Type      *string // what clients load again; without both, everything
	Reason, SQLState string
}

// ParseCollectionReset reads the data of a collection_reset, or of an event of a TRUNCATE. Data that it cannot read says
// nothing.
func ParseCollectionReset(data []byte) CollectionReset {
	var r CollectionReset
	if json.Unmarshal(data, &r) != nil {
		return CollectionReset{}
	}
	return r
}

// TableName returns the name of the table, empty if it has none.
func (r CollectionReset) TableName() string {
	if r.Table == nil {
		return ""
	}
	return *r.Table
}

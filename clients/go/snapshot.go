package pgherald

import (
	"slices"
	"strconv"
	"strings"
)

// snapshot is the set of transactions that a list contains, as PostgreSQL's pg_snapshot writes it: "100:105:100,103".
// The zero value contains none.
type snapshot struct {
	next uint64   // this transaction and later ones are not in it
	open []uint64 // earlier ones that are not in it either
}

// parseSnapshot returns an empty snapshot for a text that is none: then no event counts as contained.
func parseSnapshot(text string) snapshot {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return snapshot{}
	}
	next, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return snapshot{}
	}
	s := snapshot{next: next}
	for xid := range strings.SplitSeq(parts[2], ",") {
		if number, err := strconv.ParseUint(xid, 10, 64); err == nil {
			s.open = append(s.open, number)
		}
	}
	return s
}

// contains reports whether a transaction is in the snapshot. One that is not known is not.
func (s snapshot) contains(xid string) bool {
	number, err := strconv.ParseUint(xid, 10, 64)
	return err == nil && number < s.next && !slices.Contains(s.open, number)
}

package db

import (
	"fmt"
	"strconv"
	"strings"
)

// Snapshot is a pg_snapshot. It says which transactions had ended when a statement began: all below
// Xmax, except those in Running.
type Snapshot struct {
	Xmax    uint64
	Running []uint64 // ascending, as PostgreSQL lists them
}

// ParseSnapshot parses the text form, xmin:xmax:xip_list.
func ParseSnapshot(s string) (Snapshot, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return Snapshot{}, fmt.Errorf("parse snapshot %q: want xmin:xmax:xip_list", s)
	}
	xmax, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return Snapshot{}, fmt.Errorf("parse snapshot %q: %w", s, err)
	}
	snap := Snapshot{Xmax: xmax}
	if parts[2] == "" {
		return snap, nil
	}
	for _, field := range strings.Split(parts[2], ",") {
		xid, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return Snapshot{}, fmt.Errorf("parse snapshot %q: %w", s, err)
		}
		snap.Running = append(snap.Running, xid)
	}
	return snap, nil
}

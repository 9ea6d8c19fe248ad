package db

import (
	"fmt"
	"strconv"
	"strings"
)

// snapshot is a pg_snapshot: which transactions had ended when a statement began.
type Snapshot struct {
	Xmax    uint64   // none from here on had ended
	Running []uint64 // those below that had not
}

// ParseSnapshot reads the text form, xmin:xmax:xip_list.
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

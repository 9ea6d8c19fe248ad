package db

import (
	"fmt"
	"strconv"
	"strings"
)

// snapshot is a pg_snapshot: which transactions had ended when a statement began.
type snapshot struct {
	xmax    uint64   // none from here on had ended
	running []uint64 // those below that had not
}

// parseSnapshot reads the text form, xmin:xmax:xip_list.
func parseSnapshot(s string) (snapshot, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return snapshot{}, fmt.Errorf("parse snapshot %q: want xmin:xmax:xip_list", s)
	}
	xmax, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return snapshot{}, fmt.Errorf("parse snapshot %q: %w", s, err)
	}
	snap := snapshot{xmax: xmax}
	if parts[2] == "" {
		return snap, nil
	}
	for _, field := range strings.Split(parts[2], ",") {
		xid, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return snapshot{}, fmt.Errorf("parse snapshot %q: %w", s, err)
		}
		snap.running = append(snap.running, xid)
	}
	return snap, nil
}

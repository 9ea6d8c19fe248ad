package stream

import "strconv"

// Snapshot returns the set in the form of PostgreSQL's pg_snapshot, as in "100:105:100,103": the lowest transaction that
// is not in the set, the lowest above every one in it, and those between that are not in it. With it a client knows which
// events the rows of a list contain. Of more than MaxCursorHoles holes, the set ends at the first that has no room.
func (c Cursor) Snapshot() string {
	next, holes := c.next, c.holes
	if len(holes) > MaxCursorHoles {
		next, holes = holes[MaxCursorHoles], holes[:MaxCursorHoles]
	}
	lowest := next
	if len(holes) > 0 {
		lowest = holes[0]
	}
	b := strconv.AppendUint(nil, lowest, 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, next, 10)
	b = append(b, ':')
	for i, hole := range holes {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, hole, 10)
	}
	return string(b)
}

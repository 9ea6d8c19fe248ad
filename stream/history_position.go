package stream

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in the history of the log, before an event. It grants nothing: what comes before it is checked as
// on the first page.
type Position struct {
	// Shown is the snapshot of the first page. What was open in it does not become a part of the history later.
	Shown Cursor
	XID   uint64 // of the event
	ID    int64
}

// maxPositionLen bounds the text form: a cursor and two numbers.
const maxPositionLen = MaxCursorLen + 2*len(".-1y2p0ij32e8e8")

// IsZero reports whether p is the zero Position, the end of the log.
func (p Position) IsZero() bool { return p.Shown.IsZero() }

// String returns the text form, which is opaque to clients: the cursor and two numbers in base 36, with dots between
// them. The text of the zero Position is empty.
func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	return p.Shown.String() + "." + strconv.FormatUint(p.XID, 36) + "." + strconv.FormatInt(p.ID, 36)
}

// ParsePosition parses the text form. Its error wraps ErrMalformedCursor.
func ParsePosition(text string) (p Position, err error) {
	if len(text) > maxPositionLen {
		return p, fmt.Errorf("%w: longer than %d bytes", ErrMalformedCursor, maxPositionLen)
	}
	rest, id, hasID := cutLast(text)
	cursor, xid, hasXID := cutLast(rest)
	if !hasID || !hasXID {
		return p, fmt.Errorf("%w: no position", ErrMalformedCursor)
	}
	if p.Shown, err = ParseCursor(cursor); err != nil {
		return Position{}, err
	}
	if p.XID, err = parseBase36(xid); err != nil {
		return Position{}, err
	}
	if p.ID, err = strconv.ParseInt(id, 36, 64); err != nil || strconv.FormatInt(p.ID, 36) != id {
		return Position{}, fmt.Errorf("%w: not a number", ErrMalformedCursor)
	}
	return p, nil
}

// cutLast cuts the text at its last dot.
func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

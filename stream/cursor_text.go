package stream

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// MaxCursorLen bounds the text form of a cursor, in bytes. Cursors travel in HTTP headers and query
// strings. Proxies accept 8 kB for a request's line and for each header by default (nginx:
// large_client_header_buffers) or 16 kB for all of it (HAProxy: tune.bufsize).
const MaxCursorLen = 2048

// MaxCursorHoles bounds the holes that the text form names. Servers keep them in memory for each client.
const MaxCursorHoles = 2000

// ErrMalformedCursor is wrapped by the errors of ParseCursor.
var ErrMalformedCursor = errors.New("malformed cursor")

// String returns the text form, which is the SSE id: the epoch, next and, after "~", the LSN, all numbers
// in base 36. If there are holes, they follow as appendGaps encodes them:
//
//	k3f9-1z8q        without holes, the LSN is not known
//	k3f9-1z8q~5k2m   without holes
//	k3f9-1z8q~5k2m-BKw
//
// If that exceeds MaxCursorLen or MaxCursorHoles, String cuts the set off at a hole, the highest with
// which the text fits, and appends "~". A client that resumes with it may receive events again, and never
// misses one.
func (c Cursor) String() string {
	if c.fits() {
		return c.text()
	}
	// below returns the cursor cut off at the nth hole from the top.
	below := func(n int) Cursor {
		n = len(c.holes) - n
		return Cursor{epoch: c.epoch, next: c.holes[n], holes: c.holes[:n], lsn: c.lsn, isCut: true}
	}
	n := sort.Search(len(c.holes)-1, func(i int) bool { return below(i + 1).fits() })
	return below(n + 1).text()
}

const cutMark = "~"

// fits reports whether the text is within its bounds.
func (c Cursor) fits() bool {
	const base36 = 13 // bytes of a number at most
	fixed := len(c.epoch) + len("-") + base36 + len("~") + base36 + len("-") + len(cutMark)
	return len(c.holes) <= MaxCursorHoles && fixed+gapsLen(c.next, c.holes) <= MaxCursorLen
}

func (c Cursor) text() string {
	b := make([]byte, 0, len(c.epoch)+32+2*len(c.holes))
	b = append(b, c.epoch...)
	b = append(b, '-')
	b = strconv.AppendUint(b, c.next, 36)
	if c.lsn != 0 || len(c.holes) > 0 || c.isCut {
		b = append(b, '~')
		b = strconv.AppendUint(b, c.lsn, 36)
	}
	if len(c.holes) > 0 {
		b = append(b, '-')
		b = appendGaps(b, c.next, c.holes)
	}
	if c.isCut {
		b = append(b, cutMark...)
	}
	return string(b)
}

// ParseCursor parses the text form. It accepts only what String returns, no other spelling of the same
// numbers, and the form of earlier versions, which has no LSN. Its error wraps ErrMalformedCursor.
func ParseCursor(s string) (Cursor, error) {
	if len(s) > MaxCursorLen {
		return Cursor{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformedCursor, MaxCursorLen)
	}
	epoch, numbers, _ := strings.Cut(s, "-")
	if !isEpoch(epoch) {
		return Cursor{}, fmt.Errorf("%w: no epoch", ErrMalformedCursor)
	}
	c := Cursor{epoch: epoch}
	next, proof, hasLSN := strings.Cut(numbers, "~")
	if !hasLSN {
		return parseOldForm(c, numbers)
	}
	proof, c.isCut = strings.CutSuffix(proof, cutMark)
	lsn, holes, hasHoles := strings.Cut(proof, "-")
	var err error
	if c.next, err = parseBase36(next); err != nil {
		return Cursor{}, err
	}
	if c.lsn, err = parseBase36(lsn); err != nil {
		return Cursor{}, err
	}
	if hasHoles {
		if c.holes, err = parseGaps(c.next, holes); err != nil {
			return Cursor{}, err
		}
	}
	if c.text() != s {
		return Cursor{}, fmt.Errorf("%w: not in its shortest form", ErrMalformedCursor)
	}
	return c, nil
}

// parseOldForm parses "1z8q" and "1z8q-3.1.4": next, and the distances from next down to each of the
// holes.
func parseOldForm(c Cursor, numbers string) (Cursor, error) {
	next, holes, hasHoles := strings.Cut(numbers, "-")
	var err error
	if c.next, err = parseBase36(next); err != nil || !hasHoles {
		return c, err
	}
	fields, hole := strings.Split(holes, "."), c.next
	c.holes = make([]uint64, len(fields))
	for i, f := range fields {
		d, err := parseBase36(f)
		if err != nil {
			return Cursor{}, err
		}
		if d == 0 || d > hole {
			return Cursor{}, fmt.Errorf("%w: distance out of range", ErrMalformedCursor)
		}
		hole -= d
		c.holes[len(fields)-1-i] = hole
	}
	return c, nil
}

func parseBase36(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 36, 64)
	if err != nil || strconv.FormatUint(n, 36) != s {
		return 0, fmt.Errorf("%w: not a number", ErrMalformedCursor)
	}
	return n, nil
}

func isEpoch(s string) bool {
	if len(s) == 0 || len(s) > 16 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

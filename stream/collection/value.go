package collection

import (
	"cmp"
	"strings"
)

// state says what is known about a value.
type state uint8

const (
	unknown  state = iota // absent or of another form than the kind's: no condition holds, negated or not
	null                  // SQL's null
	known                 // a value of the field's kind
	anything              // not in the event: every condition holds, because it may
)

// Value is a value of a filter field in the form that filters compare. Two values of one kind are equal in
// PostgreSQL if and only if == finds them equal, so that they can be keys of a map.
type Value struct {
	text  string // of Text and Enum; the digits of a Numeric
	n     int64  // of Integer, Boolean, Date, Timestamp and Timestamptz; see newUUID, newNumeric and newText
	low   uint64
	state state
}

// compare orders two values of a kind as PostgreSQL does, texts and enums by their bytes.
func (v *Value) compare(kind Kind, other *Value) int {
	if c := cmp.Compare(v.n, other.n); c != 0 {
		return c
	}
	switch kind {
	case Numeric:
		return v.compareDigits(other)
	case UUID:
		return cmp.Compare(v.low, other.low)
	case Text, Enum:
		return strings.Compare(v.text, other.text)
	}
	return 0
}

package collection

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// behavior holds all that differs between kinds.
type behavior struct {
	ordered bool   // whether gt, gte, lt and lte are defined
	sqlType string // of a parameter. No column needs a cast to be compared with it, so that indexes serve.
	example string
	parse   func(text string) (Value, bool) // reads what clients and to_json write
	format  func(v *Value) string           // returns a text that parse and PostgreSQL read
}

// behaviors is a function, and its switch is as fast as a map would be: the package has no state.
func (k Kind) behavior() behavior {
	switch k {
	case Text:
		return behavior{false, "text", "open", newText, formatText}
	case Enum:
		return behavior{false, "", "open", newText, formatText}
	case Boolean:
		return behavior{false, "bool", "true", newBoolean, formatBoolean}
	case Integer:
		return behavior{true, "int8", "100", newInteger, formatInteger}
	case Numeric:
		return behavior{true, "numeric", "12.50", newNumeric, formatNumeric}
	case UUID:
		return behavior{true, "uuid", "0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f", newUUID, formatUUID}
	case Date:
		return behavior{true, "date", "2026-01-31", newDate, formatDate}
	case Timestamp:
		return behavior{true, "timestamp", "2026-01-31T12:30:00", newTimestamp, formatTimestamp}
	case Timestamptz:
		return behavior{true, "timestamptz", "2026-01-31T12:30:00Z", newTimestamptz, formatTimestamptz}
	}
	return behavior{}
}

// IsKnown reports whether there is such a kind.
func (k Kind) IsKnown() bool { return k.behavior().parse != nil }

// Operators returns the operators that filters may apply to a field of the kind.
func (k Kind) Operators() []string {
	if k.behavior().ordered {
		return []string{"eq", "neq", "gt", "gte", "lt", "lte", "in", "is"}
	}
	return []string{"eq", "neq", "in", "is"}
}

// maxText is the size of the longest text that a filter may have, in bytes. No longer text of a row needs to be kept.
const maxText = 1000

// tooLong equals no text of a filter.
var tooLong = Value{state: known, n: 1}

func (k Kind) isText() bool { return k == Text || k == Enum }

// newText returns a value that equals no value of a filter if the text is longer than those can be.
func newText(text string) (Value, bool) {
	if len(text) > maxText {
		return tooLong, true
	}
	return Value{state: known, text: text}, true
}

func formatText(v *Value) string { return v.text }

func newBoolean(text string) (Value, bool) {
	switch text {
	case "true":
		return Value{state: known, n: 1}, true
	case "false":
		return Value{state: known}, true
	}
	return Value{}, false
}

func formatBoolean(v *Value) string { return strconv.FormatBool(v.n == 1) }

func newInteger(text string) (Value, bool) {
	if strings.HasPrefix(text, "+") {
		return Value{}, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return Value{state: known, n: n}, err == nil
}

func formatInteger(v *Value) string { return strconv.FormatInt(v.n, 10) }

// hint explains what is often wrong with a value.
func (k Kind) hint(text string) string {
	switch {
	case k == Integer:
		return fmt.Sprintf(", from %d to %d", int64(math.MinInt64), int64(math.MaxInt64))
	case k == Timestamptz && strings.LastIndexByte(text, ' ') > strings.IndexAny(text, "T "):
		return " (in a URL, + is %2B)"
	case k == Timestamptz:
		return " (with Z or an offset, and at most microseconds)"
	case k == Timestamp:
		return " (without Z or an offset, and with at most microseconds)"
	}
	return ""
}

// parseParam returns the value that a client wrote. The second result says what is wrong with it.
func (f *Field) parseParam(text string) (Value, string) {
	b := f.Filter.behavior()
	switch {
	case len(text) > maxText:
		return Value{}, fmt.Sprintf("has a value of %d bytes: at most %d", len(text), maxText)
	case !utf8.ValidString(text) || strings.Contains(text, "\x00"):
		return Value{}, "has a value that is not UTF-8, or has a zero byte"
	case f.Filter == Enum && !slices.Contains(f.Labels, text):
		return Value{}, fmt.Sprintf("has the value %s: the field's values are %s", show(text), list(f.Labels))
	}
	v, ok := b.parse(text)
	if ok && f.Filter == Numeric && !v.isFilterNumeric() {
		return Value{}, fmt.Sprintf("has a number with too many digits: at most %d before the point, and %d after it", maxPlace, maxPlace)
	}
	if !ok {
		return Value{}, fmt.Sprintf("has the value %s, which is no %s: write one such as %s%s", show(text), f.Filter, b.example, f.Filter.hint(text))
	}
	return v, ""
}

package collection

import (
	"cmp"
	"strconv"
	"strings"
)

// A Numeric is exact, as PostgreSQL's is. Value.n says what it is, text has the digits without zeros at either end, and
// low the place of the decimal point: the value is 0.DIGITS × 10^low.
const (
	minusInfinity = iota - 2
	negative
	zero
	positive
	plusInfinity
	notANumber // PostgreSQL sorts it last, and finds it equal to itself
)

const (
	// maxPlace bounds the digits before and after the point of a filter's values. PostgreSQL has 131,072 and 16,383.
	maxPlace = 400
	// maxDigits bounds the digits of any value. Those of a filter have fewer, so that what is cut off matters to none.
	maxDigits = 2*maxPlace + 1
)

func newNumeric(text string) (Value, bool) {
	switch text {
	case "NaN":
		return Value{state: known, n: notANumber}, true
	case "Infinity":
		return Value{state: known, n: plusInfinity}, true
	case "-Infinity":
		return Value{state: known, n: minusInfinity}, true
	}
	v := Value{state: known, n: positive}
	if unsigned, found := strings.CutPrefix(text, "-"); found {
		text, v.n = unsigned, negative
	}
	mantissa, exponent, ok := cutExponent(text)
	whole, fraction, point := strings.Cut(mantissa, ".")
	if !ok || !isDigits(whole) || point && !isDigits(fraction) {
		return Value{}, false
	}
	digits := strings.TrimLeft(whole, "0")
	place := exponent + len(digits)
	if digits == "" {
		digits = strings.TrimLeft(fraction, "0")
		place -= len(fraction) - len(digits)
	} else if strings.TrimRight(fraction, "0") != "" {
		digits = whole[len(whole)-len(digits):] + fraction
	}
	if digits = strings.TrimRight(digits, "0"); digits == "" {
		return Value{state: known, n: zero}, true
	}
	v.text, v.low = digits[:min(len(digits), maxDigits)], uint64(int64(place))
	return v, true
}

// cutExponent splits a number before its exponent.
func cutExponent(text string) (mantissa string, exponent int, ok bool) {
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return text, 0, true
	}
	digits := strings.TrimLeft(text[i+1:], "+-")
	if !isDigits(digits) || len(digits) > 6 || len(text)-i-1 > len(digits)+1 {
		return "", 0, false
	}
	exponent, err := strconv.Atoi(text[i+1:])
	return text[:i], exponent, err == nil
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// place returns where the decimal point of a Numeric is.
func (v *Value) place() int { return int(int64(v.low)) }

// isFilterNumeric reports whether a filter may have the value.
func (v *Value) isFilterNumeric() bool {
	return v.place() <= maxPlace && len(v.text)-v.place() <= maxPlace
}

// compareDigits compares two numerics of one sign.
func (v *Value) compareDigits(other *Value) int {
	c := cmp.Compare(v.place(), other.place())
	if c == 0 {
		c = strings.Compare(v.text, other.text)
	}
	if v.n == negative {
		return -c
	}
	return c
}

func formatNumeric(v *Value) string {
	sign, digits, place := "", v.text, v.place()
	switch v.n {
	case notANumber:
		return "NaN"
	case plusInfinity:
		return "Infinity"
	case minusInfinity:
		return "-Infinity"
	case zero:
		return "0"
	case negative:
		sign = "-"
	}
	switch {
	case place <= 0:
		return sign + "0." + strings.Repeat("0", -place) + digits
	case place >= len(digits):
		return sign + digits + strings.Repeat("0", place-len(digits))
	}
	return sign + digits[:place] + "." + digits[place:]
}

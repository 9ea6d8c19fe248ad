package pgherald

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// sortKey returns a text for a value of a row, or of a key, such that texts compare as PostgreSQL compares the values.
// It reports false if only the database knows the order: that of texts, and of labels that it does not know.
func sortKey(field *FilterField, value json.RawMessage) (string, bool) {
	if len(value) == 0 || isNull(value) {
		return "1", true // a null is greater than any value
	}
	text := string(value)
	var quoted string
	if json.Unmarshal(value, &quoted) == nil {
		text = quoted
	}
	key, ok := text, true
	switch kindOf(field) {
	case "boolean", "uuid":
	case "integer", "numeric":
		key, ok = numberKey(text)
	case "enum":
		rank := slices.Index(field.Labels, text)
		key, ok = fmt.Sprintf("%08d", rank+1), rank >= 0
	case "date", "timestamp", "timestamptz":
		key, ok = timeKey(text)
	default:
		ok = false
	}
	return "0" + key, ok
}

func kindOf(field *FilterField) string {
	if field == nil {
		return ""
	}
	return field.Kind
}

// maxExponent bounds the exponents of numbers. PostgreSQL's have at most 131,072 digits before the point.
const maxExponent = 1_000_000

// numberKey orders exact decimals, and those that are none: NaN is greater than any number.
func numberKey(text string) (string, bool) {
	switch text {
	case "-Infinity":
		return "0", true
	case "Infinity":
		return "4", true
	case "NaN":
		return "5", true
	}
	digits, exponent, ok := splitNumber(strings.TrimPrefix(text, "-"))
	switch {
	case !ok:
		return text, false
	case digits == "":
		return "2", true
	case text[0] != '-':
		return fmt.Sprintf("3%08d%s", maxExponent+exponent, digits), true
	}
	// Of negative numbers those with the larger digits come first.
	inverse := []byte(digits)
	for i, digit := range inverse {
		inverse[i] = '9' - digit + '0'
	}
	return fmt.Sprintf("1%08d%s~", maxExponent-exponent, inverse), true
}

// splitNumber returns the digits of 0.DIGITS × 10^exponent, without zeros at their ends; none for zero.
func splitNumber(text string) (digits string, exponent int, ok bool) {
	mantissa, power, hasPower := strings.Cut(strings.ToLower(text), "e")
	if hasPower {
		var err error
		if exponent, err = strconv.Atoi(power); err != nil || exponent > maxExponent/2 || exponent < -maxExponent/2 {
			return "", 0, false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", 0, false
	}
	exponent += len(whole)
	significant := strings.TrimLeft(digits, "0")
	exponent -= len(digits) - len(significant)
	return strings.TrimRight(significant, "0"), exponent, exponent <= maxExponent && exponent >= -maxExponent
}

// maxYear is above PostgreSQL's last year, 294276.
const maxYear = 10_000_000

// timeKey orders dates and times in the form of PostgreSQL's JSON, in UTC: within a year by their characters.
func timeKey(text string) (string, bool) {
	switch text {
	case "-infinity":
		return "0", true
	case "infinity":
		return "2", true
	}
	digits, rest, isDate := strings.Cut(text, "-")
	year, err := strconv.Atoi(digits)
	if !isDate || err != nil || year < 0 || year >= maxYear {
		return text, false
	}
	if strings.HasSuffix(rest, " BC") {
		year = -year
	}
	return fmt.Sprintf("1%08d%s", maxYear+year, rest), true
}

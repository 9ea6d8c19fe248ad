package dml

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// value is a value in its type's text form. The zero value is null.
type value struct {
	text  string
	given bool
}

func of(text string) value { return value{text, true} }

// literal returns the value as SQL.
func (v value) literal(c *Column) string {
	if !v.given {
		return "null::" + c.Type
	}
	return quote(v.text) + "::" + c.Type
}

// quote returns a string literal, also if standard_conforming_strings is off.
func quote(text string) string {
	if strings.Contains(text, `\`) {
		return " E'" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(text) + "'"
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// copyText returns the value in the text format of COPY.
func (v value) copyText() string {
	if !v.given {
		return `\N`
	}
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(v.text)
}

// anyValue returns a value of the column's type: often one of few, so that rows meet, sometimes a limit of the type, and
// null where the column permits it.
func anyValue(rng *rand.Rand, c *Column) value {
	if c.nullable && rng.IntN(8) == 0 {
		return value{}
	}
	if len(c.labels) > 0 {
		return of(c.labels[rng.IntN(len(c.labels))])
	}
	if element, ok := strings.CutSuffix(c.base, "[]"); ok {
		return arrayValue(rng, element)
	}
	pool, known := values()[c.base]
	if !known {
		return value{} // the caller samples rows, or the statement fails
	}
	v := pool.common[rng.IntN(len(pool.common))]
	if len(pool.limits) > 0 && rng.IntN(6) == 0 {
		v = pool.limits[rng.IntN(len(pool.limits))]
	}
	return of(fit(v, c.length))
}

// fit cuts a text to the length of its column.
func fit(text string, length int) string {
	if length == 0 || utf8.RuneCountInString(text) <= length {
		return text
	}
	return string([]rune(text)[:length])
}

// arrayValue returns an array of up to three elements.
func arrayValue(rng *rand.Rand, element string) value {
	pool, known := values()[element]
	if !known {
		return of("{}")
	}
	parts := make([]string, rng.IntN(4))
	for i := range parts {
		parts[i] = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(pool.common[rng.IntN(len(pool.common))]) + `"`
		if rng.IntN(6) == 0 {
			parts[i] = "NULL"
		}
	}
	return of("{" + strings.Join(parts, ",") + "}")
}

// freshValue returns a value for a column that must be unique: a new one, or one that another row may have or have had.
func freshValue(rng *rand.Rand, c *Column, serial int64) value {
	if len(c.labels) > 0 || rng.IntN(3) == 0 {
		return anyValue(rng, c)
	}
	switch c.base {
	case "smallint":
		return of(fmt.Sprint(rng.IntN(32768)))
	case "integer", "bigint", "numeric", "double precision", "real":
		return of(fmt.Sprint(100_000 + serial))
	case "text", "character varying", "character", "name", "citext":
		if c.length > 0 && c.length < 8 {
			return of(fit(strings.ToUpper(fmt.Sprintf("%08x", rng.Uint32())), c.length))
		}
		return of(fit(fmt.Sprintf("k%d ü'\"", serial), c.length))
	case "uuid":
		return of(fmt.Sprintf("%08x-0000-4000-8000-%012x", rng.Uint32(), serial))
	case "date":
		return of(fmt.Sprintf("20%02d-%02d-%02d", rng.IntN(100), 1+rng.IntN(12), 1+rng.IntN(28)))
	case "timestamp without time zone", "timestamp with time zone":
		return of(fmt.Sprintf("2026-%02d-%02d %02d:%02d:00.%06d", 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(1_000_000)))
	}
	return anyValue(rng, c)
}

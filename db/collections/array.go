package collections

import (
	"errors"
	"strings"
)

// escaped replaces what has a meaning between the quotes of an element.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arrayText returns the text form of a text[].
func arrayText(values []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		_, _ = escaped.WriteString(&b, v) // cannot fail
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

var errNoArray = errors.New("parse an array of texts: PostgreSQL sent another form")

// parseTexts parses the text form of a text[] of one dimension, as PostgreSQL writes it. A null is nil.
func parseTexts(array string) (values []*string, err error) {
	rest, isArray := strings.CutPrefix(array, "{")
	if rest == "}" {
		return nil, nil
	}
	for isArray && rest != "" {
		var value *string
		if value, rest, err = parseText(rest); err != nil {
			return nil, err
		}
		values = append(values, value)
		if rest == "}" {
			return values, nil
		}
		rest, isArray = strings.CutPrefix(rest, ",")
	}
	return nil, errNoArray
}

// parseText parses the first element, and returns what follows it.
func parseText(array string) (value *string, rest string, err error) {
	inside, isQuoted := strings.CutPrefix(array, `"`)
	if !isQuoted {
		end := strings.IndexAny(array, ",}")
		if end <= 0 {
			return nil, "", errNoArray
		}
		text := array[:end]
		if text == "NULL" {
			return nil, array[end:], nil
		}
		return &text, array[end:], nil
	}
	var b strings.Builder
	for i := 0; i < len(inside); i++ {
		switch inside[i] {
		case '"':
			text := b.String()
			return &text, inside[i+1:], nil
		case '\\':
			if i++; i == len(inside) {
				return nil, "", errNoArray
			}
		}
		b.WriteByte(inside[i])
	}
	return nil, "", errNoArray
}

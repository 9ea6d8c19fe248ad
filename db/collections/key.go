package collections

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// row returns the statement for the row with a key. It returns false if no row has this key.
//
// An index can be searched for the values of the columns, and the text decides: 007 is not the key of row 7.
func (l *list) row(key string, grants []string) (*statements, bool) {
	s := l.statements(false)
	values, ok := l.keyValues(key)
	if !ok {
		return nil, false
	}
	conditions := l.own(s)
	for i, v := range values {
		if v != nil {
			conditions = append(conditions, l.key[i].column+" "+l.key[i].equals+" "+s.params.Add(*v)+"::"+l.key[i].sqlType)
		}
	}
	conditions = append(conditions, "("+l.KeySQL+`) collate pg_catalog."C" operator(pg_catalog.=) `+s.params.Add(key)+"::pg_catalog.text")
	conditions = append(conditions, l.audible(s, grants)...)
	s.queries = append(s.queries, l.sql(s, nil, conditions)+"limit 1")
	return s, true
}

// keyValues returns the values of the key columns, in the text form of their types; nil where that does not follow from
// the text of the key.
func (l *list) keyValues(key string) (values []*string, ok bool) {
	if len(l.key) == 1 {
		return []*string{&key}, true
	}
	var parts []json.RawMessage
	d := json.NewDecoder(bytes.NewReader([]byte(key)))
	if err := d.Decode(&parts); err != nil || len(parts) != len(l.key) {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	for _, part := range parts {
		text := string(part)
		switch part[0] {
		case 'n': // null is no part of a key
			return nil, false
		case '"':
			if err := json.Unmarshal(part, &text); err != nil {
				return nil, false
			}
			values = append(values, &text)
		case '[', '{':
			values = append(values, nil)
		default:
			values = append(values, &text)
		}
	}
	return values, true
}

// parsed returns the statement that does nothing but read values as their types. If it fails, the values are to blame.
func parsed(values []typedValue) *statements {
	s := newStatements()
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = s.params.Add(v.value) + "::" + v.sqlType + "::pg_catalog.text"
	}
	s.queries = []string{"select\n    null,\n    null,\n    array[" + strings.Join(texts, ", ") + "]::pg_catalog.text[]::pg_catalog.text"}
	return s
}

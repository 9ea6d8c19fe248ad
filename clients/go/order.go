package pgherald

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
)

// rowOrder is the order of a list, as the database has it.
type rowOrder struct {
	terms   []orderTerm // the fields of the order, and then the columns of the key
	fields  int         // the number of the former
	keySize int
}

type orderTerm struct {
	name  string
	field *FilterField // nil if the column is none
	sign  int          // -1 if the order descends
}

// entry is a row in an order.
type entry struct {
	key     string
	row     json.RawMessage
	sort    []string // of the terms of the order
	isExact bool     // sort says where the row is; otherwise it is a guess
}

var orderItem = regexp.MustCompile(`("(?:[^"\\]|\\.)*"|[^,."]+)(?:\.(asc|desc))?(?:,|$)`)

// newRowOrder parses the parameter order of a list. The columns of the key follow, in the direction of the last field.
func newRowOrder(order string, d *Description) *rowOrder {
	o := &rowOrder{keySize: len(d.Key)}
	add := func(name string, sign int) {
		o.terms = append(o.terms, orderTerm{name: name, field: d.filterField(name), sign: sign})
	}
	sign := 1
	for _, item := range orderItem.FindAllStringSubmatch(order, -1) {
		if sign = 1; item[2] == "desc" {
			sign = -1
		}
		add(unquote(item[1]), sign)
	}
	o.fields = len(o.terms)
	for _, column := range d.Key {
		add(column, sign)
	}
	return o
}

func unquote(word string) string {
	if !strings.HasPrefix(word, `"`) {
		return word
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(word[1 : len(word)-1])
}

// entry returns a row with its place in the order.
func (o *rowOrder) entry(key string, row json.RawMessage) *entry {
	e := &entry{key: key, row: row, sort: make([]string, len(o.terms)), isExact: true}
	var members map[string]json.RawMessage
	if o.fields > 0 && json.Unmarshal(row, &members) != nil {
		e.isExact = false
	}
	parts := splitKey(key, o.keySize)
	for i, term := range o.terms {
		var value json.RawMessage
		if i < o.fields {
			value = members[term.name]
		} else if n := i - o.fields; n < len(parts) {
			value = parts[n]
		}
		text, isExact := sortKey(term.field, value)
		e.sort[i], e.isExact = text, e.isExact && isExact
	}
	return e
}

// splitKey returns the values of a key's columns. The key of several columns is a JSON array.
func splitKey(key string, columns int) []json.RawMessage {
	var parts []json.RawMessage
	if columns > 1 && json.Unmarshal([]byte(key), &parts) == nil && len(parts) == columns {
		return parts
	}
	text, _ := json.Marshal(key)
	return []json.RawMessage{text}
}

func (o *rowOrder) compare(a, b *entry) int {
	for i, term := range o.terms {
		if c := strings.Compare(a.sort[i], b.sort[i]); c != 0 {
			return term.sign * c
		}
	}
	return cmp.Compare(a.key, b.key)
}

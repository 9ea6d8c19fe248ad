package triggers

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// collectionEntries are the fields of a table that make it a collection, with their places.
type collectionEntries struct {
	// at is the place of a mistake: that of the name, or of the field that needs one.
	at   ast.Node
	name string
	// isOff reports `collection: null`.
	isOff       bool
	row, filter []string
	filterAll   bool
	hasFilter   bool
}

// collection reads the fields of a collection.
func (d *document) collection(entries []entry) collectionEntries {
	var c collectionEntries
	for _, e := range entries {
		switch e.key {
		case "collection":
			c.at = e.value
			c.name, c.isOff = d.collectionName(e.value)
		case "row":
			c.row = d.fieldNames(e, "row must be a field of the payload, or a list of fields")
			if len(c.row) == 0 {
				d.problem(e.at, "row is empty: name fields of the payload, or leave row out for all of them")
			}
		case "filter":
			c.hasFilter = true
			c.filter, c.filterAll = d.filter(e)
		}
	}
	for _, e := range entries {
		if c.at == nil && (e.key == "row" || e.key == "filter") {
			c.at = e.at
		}
	}
	return c
}

// collectionName reads a name, which may hold {table} at a pattern, or null for no collection.
func (d *document) collectionName(n ast.Node) (name string, isOff bool) {
	text, isNull, ok := d.scalar(n)
	switch {
	case isNull:
		return "", true
	case !ok || !isCollectionName(d.withoutPlaceholder(text)):
		d.problem(n, "collection must be a lower-case letter and then up to 62 of a-z, 0-9, _ . -, or null for none")
	case d.matching && !strings.Contains(text, placeholder):
		d.problem(n, "collection must hold {table}: the pattern matches several tables, and each needs a name of its own")
	}
	return text, false
}

// filter reads the filter fields: "*" for all that have a kind, a field, a list, or null for none.
func (d *document) filter(e entry) (fields []string, all bool) {
	text, isNull, ok := d.scalar(e.value)
	if isNull || ok && text == "*" {
		return nil, text == "*"
	}
	fields = d.fieldNames(e, `filter must be "*", a field of the row, or a list of fields`)
	if slices.Contains(fields, "*") {
		d.problem(e.value, `filter: "*" stands for all fields: remove the others`)
	}
	return fields, false
}

// fieldNames reads a name or a list of different names.
func (d *document) fieldNames(e entry, wanted string) []string {
	var names []string
	for _, item := range d.items(e.value) {
		text, isNull, ok := d.scalar(item)
		if !ok || isNull {
			d.problem(item, "%s", wanted)
			continue
		}
		if err := checkIdent(text); err != nil {
			d.problem(item, "%s: %v", e.key, err)
		}
		if slices.Contains(names, text) {
			d.problem(item, "%s has the field %q twice", e.key, text)
		}
		names = append(names, text)
	}
	return names
}

// finishCollection makes the table a collection, if the spec says so or it matches a pattern.
func (d *document) finishCollection(c collectionEntries, t *Table) {
	offered := c.name == "" && !c.isOff && d.matching
	switch {
	case offered:
		*t = t.offered()
	case c.name == "" && c.at != nil && (len(c.row) > 0 || c.hasFilter):
		d.problem(c.at, "row and filter describe a collection: add collection with a name, such as orders")
		return
	case c.name == "":
		return
	default:
		t.Collection, t.FilterAll = c.name, d.matching
	}
	t.Row = c.row
	if c.hasFilter {
		t.Filter, t.FilterAll = c.filter, c.filterAll
	}
	if err := t.checkCollection(); err != nil && !offered {
		d.problem(c.at, "%v", err)
	}
}

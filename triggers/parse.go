package triggers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Parse reads a spec. Its error joins a [Problem] for every mistake that can be told without a
// database; whether names and expressions mean anything is for [Apply] to find out.
func Parse(data []byte) (Spec, error) {
	d, err := openDocument(data)
	if err != nil {
		return Spec{}, err
	}
	spec := d.spec()
	if len(d.problems) == 0 {
		return spec, nil
	}
	errs := make([]error, len(d.problems))
	for i, p := range d.problems {
		errs[i] = p
	}
	return Spec{}, errors.Join(errs...)
}

func (d *document) spec() Spec {
	entries, ok := d.mapping(d.root)
	if !ok {
		d.problem(d.root, "a spec is a mapping with a list named tables")
		return Spec{}
	}
	var spec Spec
	found := false
	for _, e := range entries {
		switch {
		case e.key == "tables":
			found = true
			spec.Tables = d.tables(e.value)
		case strings.HasPrefix(e.key, "x-"): // room for anchors
		default:
			d.unknown(e, "tables, and keys that begin with x-")
		}
	}
	if !found {
		d.problem(d.root, "the list named tables is missing")
	}
	return spec
}

func (d *document) tables(n ast.Node) []Table {
	list, ok := d.resolve(n).(*ast.SequenceNode)
	if !ok {
		d.problem(n, "tables must be a list")
		return nil
	}
	var tables []Table
	seen := map[Name]bool{}
	for _, item := range list.Values {
		t := d.table(item)
		if seen[t.Name] && t.Name != (Name{}) {
			d.problem(item, "table %s is listed twice", t.Name)
		}
		seen[t.Name] = true
		tables = append(tables, t)
	}
	return tables
}

// table reads one table. Its events inherit from it, so they are read when all else is known.
func (d *document) table(n ast.Node) Table {
	entries, ok := d.mapping(n)
	if !ok {
		d.problem(n, "a table is a mapping with a name and its events under on")
		return Table{}
	}
	var t Table
	var inherited Event
	var on *entry
	var inner, left []Join
	for _, e := range entries {
		switch e.key {
		case "name":
			t.Name = d.tableName(e.value)
		case "key":
			t.Key = d.key(e.value)
		case "join":
			inner = d.joins(e.value, false)
		case "left_join":
			left = d.joins(e.value, true)
		case "payload":
			inherited.Payload = d.payload(e.value)
		case "audience":
			inherited.Audience = d.expr(e.value, "audience", true)
		case "on":
			on = &e
		default:
			d.unknown(e, "name, key, join, left_join, payload, audience, on")
		}
	}
	t.Joins = append(inner, left...)
	d.finishTable(n, &t, on, inherited)
	return t
}

func (d *document) finishTable(n ast.Node, t *Table, on *entry, inherited Event) {
	if t.Name == (Name{}) && !d.has(n, "name") {
		d.problem(n, "a table needs a name, as in public.orders")
	}
	if on == nil {
		d.problem(n, "a table needs events, under on: insert, update, delete or truncate")
		return
	}
	d.operations(on.value, t, inherited)
}

func (d *document) has(n ast.Node, key string) bool {
	entries, _ := d.mapping(n)
	for _, e := range entries {
		if e.key == key {
			return true
		}
	}
	return false
}

func (d *document) tableName(n ast.Node) Name {
	text, _, ok := d.scalar(n)
	if !ok {
		d.problem(n, "name must be a table, as in public.orders")
		return Name{}
	}
	name, err := parseName(text)
	if err != nil {
		d.problem(n, "%v", err)
	}
	return name
}

func (d *document) key(n ast.Node) []string {
	var columns []string
	for _, item := range d.items(n) {
		text, _, ok := d.scalar(item)
		if !ok {
			d.problem(item, "key must be a column, or a list of columns")
			continue
		}
		column, err := parseColumn(text)
		if err != nil {
			d.problem(item, "%v", err)
		}
		columns = append(columns, column)
	}
	return columns
}

func (d *document) joins(n ast.Node, left bool) []Join {
	var joins []Join
	for _, item := range d.items(n) {
		sql := d.expr(item, "join", false)
		joins = append(joins, Join{Left: left, SQL: sql})
	}
	return joins
}

// expr reads SQL that must stay inside its place. Where null is allowed, it takes back what would
// have been inherited.
func (d *document) expr(n ast.Node, field string, nullable bool) string {
	text, isNull, ok := d.scalar(n)
	switch {
	case isNull && nullable:
		return ""
	case !ok || isNull:
		d.problem(n, "%s must be an SQL expression", field)
		return ""
	}
	if _, err := scanExpr(text); err != nil {
		d.problem(n, "read %s: %v", field, err)
	}
	return text
}

// payload reads the fields, in order. Null is the default: all columns.
func (d *document) payload(n ast.Node) []Field {
	if _, isNull, _ := d.scalar(n); isNull {
		return nil
	}
	entries, ok := d.mapping(n)
	if !ok || len(entries) == 0 {
		d.problem(n, "payload must be a mapping from fields to SQL expressions")
	}
	var fields []Field
	for _, e := range entries {
		if err := checkIdent(e.key); err != nil {
			d.problem(e.at, "name payload field: %v", err)
		}
		sql := d.expr(e.value, fmt.Sprintf("payload field %q", e.key), false)
		fields = append(fields, Field{Name: e.key, SQL: sql})
	}
	return fields
}

func (d *document) unknown(e entry, known string) {
	d.problem(e.at, "unknown field %q (known here: %s)", e.key, known)
}

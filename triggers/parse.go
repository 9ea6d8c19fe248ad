package triggers

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// Parse reads a spec from YAML. Its error joins a [Problem] for every mistake that is visible without a
// database. [Apply] checks names and expressions against the database.
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

// table reads one table. Its events inherit from the other fields, so it reads them last.
// If its name is a pattern, it returns that too.
func (d *document) table(n ast.Node, defaults Table) (Table, *Pattern) {
	entries, ok := d.mapping(n)
	if !ok {
		d.problem(n, "a table is a mapping with a name, as in `- name: public.orders`")
		return Table{}, nil
	}
	t, p := defaults, d.pattern(entries)
	d.matching = p != nil
	c := d.collection(entries)
	var (
		inherited   Event
		isOpen      bool
		on          *entry
		inner, left []Join
	)
	for _, e := range entries {
		switch e.key {
		case "name":
			t.Name = d.tableName(e.value)
		case "exclude":
			d.exclude(e, p)
		case "columns":
			t.Columns, isOpen = d.columns(e.value)
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
		case "on_error":
			t.AbortOnError = d.onError(e.value)
		case "bigint":
			t.BigintAsText = d.bigint(e.value)
		case "on":
			on = &e
		case "collection", "row", "filter": // read before
		default:
			d.unknown(e, "name, exclude, columns, key, join, left_join, payload, audience, on_error, bigint, on, collection, row, filter")
		}
	}
	t.Joins = append(inner, left...)
	d.finishTable(n, &t, on, inherited, c)
	return t, p.with(t, inherited, isOpen)
}

func (d *document) finishTable(n ast.Node, t *Table, on *entry, inherited Event, c collectionEntries) {
	if t.Name == (Name{}) && !d.has(n, "name") {
		d.problem(n, "a table needs a name, as in public.orders")
	}
	if !t.Columns.isZero() && len(inherited.Payload) > 0 {
		d.problem(n, "columns chooses those of the default payload, and this table has a payload: remove one of them")
	}
	if on == nil {
		*t = t.withDefaultEvents(inherited)
	} else {
		d.operations(on.value, t, inherited)
	}
	d.finishCollection(c, t)
}

// tableName reads the name of a table. That of a pattern was read before.
func (d *document) tableName(n ast.Node) Name {
	if d.matching {
		return Name{}
	}
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

// expr reads an SQL expression. A null, where allowed, clears the inherited value.
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

// payload reads the fields in order. A null restores the default, all columns.
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

// operations reads the mapping named on.
func (d *document) operations(n ast.Node, t *Table, inherited Event) {
	entries, ok := d.mapping(n)
	if !ok || len(entries) == 0 {
		d.problem(n, "on must be a mapping from insert, update, delete or truncate to events")
		return
	}
	truncate := false
	for _, e := range entries {
		switch e.key {
		case opInsert:
			t.Insert = d.events(e.value, inherited)
		case opUpdate:
			t.Update = d.events(e.value, inherited)
		case opDelete:
			t.Delete = d.events(e.value, inherited)
		case opTruncate:
			truncate = true
			t.Truncate = d.truncate(e.value)
		default:
			d.unknown(e, "insert, update, delete, truncate")
		}
	}
	if !truncate && len(t.Delete) > 0 {
		t.Truncate.Type = truncatedType
	}
	if t.Truncate.AsDeletes && len(t.Delete) == 0 {
		d.problem(n, "truncate: as-deletes needs events under delete")
	}
}

// truncate reads an event type, as-deletes, or null for no event.
func (d *document) truncate(n ast.Node) Truncate {
	text, isNull, ok := d.scalar(n)
	switch {
	case isNull:
		return Truncate{}
	case !ok:
		d.problem(n, "truncate must be an event type, as-deletes or null")
		return Truncate{}
	case text == "as-deletes":
		return Truncate{AsDeletes: true}
	}
	return Truncate{Type: d.eventType(n)}
}

// events reads an event type, an event, or a list of them.
func (d *document) events(n ast.Node, inherited Event) []Event {
	var events []Event
	for _, item := range d.items(n) {
		events = append(events, d.event(item, inherited))
	}
	if len(events) == 0 {
		d.problem(n, "this list of events is empty")
	}
	return events
}

func (d *document) event(n ast.Node, inherited Event) Event {
	event := inherited
	entries, ok := d.mapping(n)
	if !ok {
		event.Type = d.eventType(n)
		return event
	}
	typed := false
	for _, e := range entries {
		switch e.key {
		case "type":
			typed = true
			event.Type = d.eventType(e.value)
		case "when":
			event.When = d.expr(e.value, "when", true)
		case "key":
			event.Key = d.expr(e.value, "key", true)
		case "payload":
			event.Payload = d.payload(e.value)
		case "audience":
			event.Audience = d.expr(e.value, "audience", true)
		default:
			d.unknown(e, "type, when, key, payload, audience")
		}
	}
	if !typed {
		d.problem(n, "an event needs a type")
	}
	return event
}

// eventType reads an event type. It refuses the types that the stream itself sends.
func (d *document) eventType(n ast.Node) string {
	text, isNull, ok := d.scalar(n)
	switch {
	case !ok || isNull:
		d.problem(n, "an event is a type, such as order_created, or a mapping with a type")
	case !isEventType(d.withoutPlaceholder(text)):
		d.problem(n, "event type %q must be a lower-case letter and then up to 62 of a-z, 0-9, _ . : -", text)
	case isReserved(text):
		d.problem(n, "event type %q belongs to the stream itself; choose another", text)
	}
	return text
}

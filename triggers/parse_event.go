package triggers

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// truncatedType is the event of a TRUNCATE where deletes are watched and truncate is not given:
// rows must not vanish without a word.
const truncatedType = "table_truncated"

// operations reads what stands under on.
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

// truncate reads a type, as-deletes, or null for no event at all.
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

// events reads a type, an event, or a list of those.
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

// eventType reads the name of a type, which must not be one that the stream itself sends.
func (d *document) eventType(n ast.Node) string {
	text, isNull, ok := d.scalar(n)
	switch {
	case !ok || isNull:
		d.problem(n, "an event is a type, such as order_created, or a mapping with a type")
	case !isEventType(text):
		d.problem(n, "event type %q must be a lower-case letter and then up to 62 of a-z, 0-9, _ . : -", text)
	case slices.Contains([]string{"sync", "heartbeat", "presence_updated", "batch"}, text):
		d.problem(n, "event type %q belongs to the stream itself; choose another", text)
	}
	return text
}

func isEventType(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c && c <= 'z'
		other := '0' <= c && c <= '9' || c == '_' || c == '.' || c == ':' || c == '-'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return 0 < len(text) && len(text) <= 63
}

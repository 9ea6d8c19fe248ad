package schema

import (
	"maps"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
)

// The types of events that the engine writes to the log.
const (
	typePresence  = "presence_updated"
	typeTruncated = "table_truncated" // unless the spec names another one
)

// logged returns the schemas of the data of events, by type, without those of the engine.
func (g generator) logged() map[string]object {
	types := map[string]object{}
	for _, c := range g.Collections.All() {
		for eventType, op := range c.Types {
			types[eventType] = g.ref(c.Name + rowSuffix)
			if op == collection.OpDelete {
				types[eventType] = g.ref(c.Name + partSuffix)
			}
		}
	}
	for _, e := range g.Events { // which may show more than a row
		types[e.Type] = object{}
		if e.Fields != nil {
			types[e.Type] = row("", e.Fields, true)
		}
	}
	maps.DeleteFunc(types, func(eventType string, _ object) bool { return g.isTruncate(eventType) })
	return types
}

// isTruncate reports whether the events of the type say that a table was truncated.
func (g generator) isTruncate(eventType string) bool {
	return eventType == typeTruncated || slices.ContainsFunc(g.Collections.All(), func(c *collection.Collection) bool { return c.Truncated == eventType })
}

// truncateTypes returns the types of the events that say that a table was truncated.
func (g generator) truncateTypes() []string {
	types := []string{typeTruncated}
	for _, c := range g.Collections.All() {
		if c.Truncated != "" {
			types = append(types, c.Truncated)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// envelopeName returns the name of the schema of the events of a type. Names of schemas have no colons.
func envelopeName(eventType string) string {
	return strings.ReplaceAll(eventType, ":", "COLON") + envelopeSuffix
}

// envelopeSchemas returns the schemas of the events of the log, on streams without collections.
func (g generator) envelopeSchemas() object {
	schemas := object{
		"TableTruncated": g.envelope("All rows of a table are gone: load the table again.", oneOf(g.truncateTypes()...),
			record("", object{"table": text("with its schema, quoted where SQL needs it"), "partition?": text("the only one that was truncated")})),
		"CollectionReset": g.envelope("Events are missing: load again what the data names, everything if it names nothing.", always(stream.TypeCollectionReset),
			record("", object{"table?": text(""), "key?": text("of a row"), "type?": text("of events"), "reason?": text(""), "sqlstate?": text("")})),
		"PresenceUpdated": g.envelope("A user went online or offline.", always(typePresence),
			record("", object{"userId": text(""), "isOnline": object{"type": "boolean"}})),
		"OtherEvent":     g.envelope("An event of another type.", object{"type": "string"}, object{}),
		"OversizedEvent": g.oversized(),
	}
	known := []string{"TableTruncated", "CollectionReset", "PresenceUpdated", "OversizedEvent"}
	types := g.logged()
	for _, eventType := range slices.Sorted(maps.Keys(types)) {
		schemas[envelopeName(eventType)] = g.envelope("", always(eventType), types[eventType])
		known = append(known, envelopeName(eventType))
	}
	schemas["LogEvent"] = object{
		"description": "An event of the log, on a stream without collections.", "anyOf": g.refs(append(known, "OtherEvent")...),
	}
	schemas["Envelope"] = object{
		"description": "What the data line of an event of a stream without collections holds.",
		"anyOf":       g.refs("LogEvent", "Batch", "Sync", "Heartbeat"),
	}
	return schemas
}

// envelope returns the schema of an event of the log.
func (g generator) envelope(description string, eventType, data object) object {
	return record(description, object{"id": g.ref("EventID"), "type": eventType, "data": data, "timestamp": g.ref("Timestamp")})
}

func (g generator) oversized() object {
	return record("An event that is too large to be sent: fetch the row by its key.", object{
		"id": g.ref("EventID"), "type": text(""), "key?": text(""), "oversized": always(true), "timestamp": g.ref("Timestamp"),
	})
}

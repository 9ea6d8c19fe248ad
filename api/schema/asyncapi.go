package schema

import (
	"maps"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
)

// AsyncAPI returns the AsyncAPI 3.0 document of the events.
func AsyncAPI(s Source) []byte {
	g := generator{s, "#/components/schemas/"}
	schemas := g.schemas()
	maps.DeleteFunc(schemas, func(name string, _ any) bool { return strings.HasSuffix(name, pageSuffix) })
	for _, name := range slices.Collect(maps.Keys(g.responseSchemas())) {
		delete(schemas, name)
	}
	channels, operations, messages := object{}, object{}, g.controlMessages()
	g.addLog(channels, operations, messages)
	for _, c := range s.Collections.All() {
		g.addCollection(c, channels, operations, messages)
	}
	return encode(object{
		"asyncapi": "3.0.0",
		"info": object{
			"title": "pgherald", "version": s.Version, "license": object{"name": "Apache-2.0"},
			"description": "The events on streams of GET /api/events: Server-Sent Events, whose data lines hold the messages. " +
				"The id line of an event is the cursor with which a client resumes.",
		},
		"defaultContentType": "application/json",
		"channels":           channels,
		"operations":         operations,
		"components":         object{"schemas": schemas, "messages": messages},
	})
}

// message returns a message whose payload has a schema.
func (g generator) message(name, title, schema string) object {
	return object{"name": name, "title": title, "contentType": "application/json", "payload": g.ref(schema)}
}

// controlMessages returns the messages of every channel, and those of the engine.
func (g generator) controlMessages() object {
	return object{
		"Sync":            g.message(stream.TypeSync, "What the stream continues from", "Sync"),
		"Heartbeat":       g.message(stream.TypeHeartbeat, "The log was read", "Heartbeat"),
		"Batch":           g.message(stream.TypeBatch, "Several events", "Batch"),
		"TableTruncated":  g.message(typeTruncated, "A table was truncated", "TableTruncated"),
		"CollectionReset": g.message(stream.TypeCollectionReset, "Events are missing", "CollectionReset"),
		"PresenceUpdated": g.message(typePresence, "A user went online or offline", "PresenceUpdated"),
		"OversizedEvent":  g.message("oversized", "An event without its data", "OversizedEvent"),
		"OtherEvent":      g.message("other", "A custom event", "OtherEvent"),
		"RowReset":        g.message("reset", "The collection must be loaded again", "RowReset"),
		"SelectionEvent":  g.message("selections", "An event that selections of events get, or that means different things to several selections", "SelectionEvent"),
	}
}

// addLog adds the channel of streams without collections.
func (g generator) addLog(channels, operations, messages object) {
	names := []string{"Sync", "Heartbeat", "Batch", "TableTruncated", "CollectionReset", "PresenceUpdated", "OversizedEvent", "OtherEvent"}
	for _, eventType := range slices.Sorted(maps.Keys(g.logged())) {
		name := envelopeName(eventType)
		messages[name] = g.message(eventType, "An event of the type "+eventType, name)
		names = append(names, name)
	}
	addChannel("AllEvents", "All events, or those that the parameters types, key and where.FIELD select.", record("", object{
		"types?": object{"type": "string"}, "since?": object{"type": "string"},
	}), names, channels, operations)
}

// addCollection adds the channel of streams with collection=NAME.
func (g generator) addCollection(c *collection.Collection, channels, operations, messages object) {
	names := []string{"Sync", "Heartbeat", "Batch", "RowReset"}
	for suffix, title := range map[string]string{
		putSuffix: "A row was inserted or updated", deleteSuffix: "A row was deleted", leaveSuffix: "A row left the selection",
		".oversized": "A row is too large for the stream",
	} {
		messages[c.Name+suffix] = g.message(c.Name+suffix, title, c.Name+suffix)
		names = append(names, c.Name+suffix)
	}
	slices.Sort(names)
	addChannel(c.Name, "The changes of the rows of "+c.Table+" that the filter selects.", record("", object{
		"collection": always(c.Name), "since?": object{"type": "string"},
	}), names, channels, operations)
}

// addChannel adds a channel at the path of streams, and the operation of its messages. The names of messages on a channel
// have no dots, which JSON pointers and generators of code read in different ways.
func addChannel(name, description string, parameters object, messages []string, channels, operations object) {
	ofChannel, ofOperation := object{}, list{}
	for _, message := range messages {
		ofChannel[message] = object{"$ref": "#/components/messages/" + message}
		ofOperation = append(ofOperation, object{"$ref": "#/channels/" + name + "/messages/" + message})
	}
	channels[name] = object{"address": eventsPath, "description": description, "messages": ofChannel}
	operations["send."+name] = object{
		"action": "send", "channel": object{"$ref": "#/channels/" + name}, "summary": description, "messages": ofOperation,
		"bindings": object{"http": object{"method": "GET", "query": parameters, "bindingVersion": "0.3.0"}},
	}
}

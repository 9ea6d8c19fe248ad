package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgherald/pgherald/stream/collection"
)

// query returns a parameter of the query string.
func query(name, description string, schema object) object {
	return object{"name": name, "in": "query", "description": description, "schema": schema}
}

// many returns a parameter that may be repeated.
func many(name, description string) object {
	return query(name, description, array(object{"type": "string"}))
}

// parameters returns the parameters that several operations have.
func parameters() object {
	conditions := object{"type": "object", "patternProperties": object{`^where\.`: array(object{"type": "string"}), `^q\.[A-Za-z0-9_-]{1,32}$`: object{"type": "string"}}}
	return object{
		"LastEventID": object{"name": "Last-Event-ID", "in": "header", "description": "resume after this cursor", "schema": object{"type": "string"}},
		"lastEventId": query("lastEventId", "the same as the header", object{"type": "string"}),
		"since":       query("since", "begin after this cursor, such as that of a list", object{"type": "string"}),
		"types": object{"name": "types", "in": "query", "style": "form", "explode": false, "schema": array(object{"type": "string"}),
			"description": "only events of these types; not together with collection"},
		"key":   many("key", "only events about rows with one of these keys"),
		"batch": query("batch", "send the events of each window of this length together, such as 250ms", object{"type": "string"}),
		"conflate": query("conflate", "of the events that are pending at once, send only the newest of each row",
			object{"type": "string", "enum": []string{"1"}}),
		"max":     query("max", "of a page: the most events, except for a larger transaction", object{"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
		"wait":    query("wait", "of a page: how long to wait for an event if there is none, such as 25s; up to 55s", object{"type": "string"}),
		"any":     many("any", "(ITEM,ITEM,…): one of the items must hold, such as FIELD.OP.VALUE; repeated groups must all hold"),
		"unknown": query("unknown", "allow: wait for the first event of a type that is not known", object{"type": "string", "enum": []string{"allow"}}),
		"conditions": object{"name": "conditions", "in": "query", "style": "form", "explode": true, "schema": conditions,
			"description": "where.FIELD: conditions on the data. q.NAME=collection:ORDERS;where.FIELD=…;any=…;key=… or q.NAME=events;types=…;key=…;where.FIELD=…: one of several selections, each with a name."},
		"limit": query("limit", "the most rows of a page", object{"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
		"after": query("after", "the next of the page before", object{"type": "string"}),
	}
}

func param(name string) object { return object{"$ref": "#/components/parameters/" + name} }

// events describes streams.
func (g generator) events(path string) map[string]object {
	o := operation("streamEvents", "Follow the events",
		"An event stream: the data line of each event holds one Envelope, or a NAME.event with collection=NAME. With Accept: application/json, a page of events.", problems(object{"200": object{
			"description": "The stream, or a page.",
			"content":     object{"text/event-stream": object{"schema": object{"type": "string"}}, "application/json": object{"schema": g.ref("EventPage")}},
		}, "304": object{"description": "The client has this page of events (If-None-Match)."}}, "400", "429", "503"))
	params := list{}
	for _, name := range []string{"LastEventID", "lastEventId", "since", "types", "unknown", "key", "batch", "conflate", "max", "wait", "any", "conditions"} {
		params = append(params, param(name))
	}
	if names := g.collectionNames(); len(names) > 0 {
		params = append(params, query("collection", "only what changes the rows of this collection", object{"type": "string", "enum": names}))
	}
	if !g.Security.Tokens {
		params = append(params, query("user", "names the stream for presence", object{"type": "string", "minLength": 1, "maxLength": 200}))
	}
	o["parameters"] = params
	return map[string]object{path: o}
}

// history describes the log.
func (g generator) history(path string) map[string]object {
	o := operation("readLog", "Read the log backwards", "The newest events first. A stream with since=CURSOR continues after what the log shows.",
		problems(object{"200": withCursor(g.response("A part of the log.", "LogPage"))}, "400", "410", "429", "503"))
	params := list{query("before", "the before of the last page", object{"type": "string"})}
	for _, name := range []string{"types", "unknown", "key", "max", "any", "conditions"} {
		params = append(params, param(name))
	}
	if names := g.collectionNames(); len(names) > 0 {
		params = append(params, query("collection", "only what changed the rows of this collection", object{"type": "string", "enum": names}))
	}
	o["parameters"] = params
	return map[string]object{path: o}
}

// counts describes the counts of the log's events.
func (g generator) counts(path string) map[string]object {
	o := operation("countLog", "Count the events of the log by time and type", "",
		problems(object{"200": withCursor(g.response("The steps that have events, the oldest first.", "LogCounts"))}, "400", "429", "503"))
	params := list{
		query("step", "the width of a step, such as 1m; 1s to 24h", object{"type": "string", "default": "1m"}),
		query("from", "the earliest time, as in RFC 3339 or in Unix milliseconds; at most 1000 steps ago, 60 by default", object{"type": "string"}),
	}
	for _, name := range []string{"types", "unknown", "key"} {
		params = append(params, param(name))
	}
	if names := g.collectionNames(); len(names) > 0 {
		params = append(params, query("collection", "only events of this collection", object{"type": "string", "enum": names}))
	}
	o["parameters"] = params
	return map[string]object{path: o}
}

// pastEvent is the schema of an event of the log.
func (g generator) pastEvent() object {
	return record("An event with all that is known of it. On a request with collections, as their streams have it.", object{
		"id": g.ref("EventID"), "type": text(""), "data?": object{}, "oversized?": always(true), "collection?": text(""),
		"op?": oneOf(collection.OpInsert, collection.OpUpdate, collection.OpDelete, collection.OpReset), "moved?": always(true), "key?": text(""),
		"xid": g.ref("XID"), "q?": g.ref("Selections"), "ops?": object{"type": "object"}, "timestamp": g.ref("Timestamp"),
	})
}

func (g generator) collectionNames() []string {
	var names []string
	for _, c := range g.Collections.All() {
		names = append(names, c.Name)
	}
	return names
}

// lists describes the list of each collection and its rows.
func (g generator) lists(string) map[string]object {
	paths := map[string]object{}
	for _, c := range g.Collections.All() {
		maps.Copy(paths, g.listOf(c))
	}
	return paths
}

func (g generator) listOf(c *collection.Collection) map[string]object {
	pageOrRow := object{"description": "A page; with key the row.", "content": object{"application/json": object{
		"schema": object{"anyOf": list{g.ref(c.Name + pageSuffix), g.ref(c.Name + rowSuffix)}}}}}
	page := operation("list."+c.Name, "List "+c.Name, "The rows of "+c.Table+" that the client may see.",
		problems(object{"200": withCursor(pageOrRow)}, "400", "404", "429", "503"))
	page["parameters"] = append(conditions(c), param("any"), param("limit"), param("after"),
		query("count", "counts the rows of all pages", object{"type": "string", "enum": []string{"exact"}}),
		query("key", "the row with this key in place of a page, also if no path can have the key; no other parameter may stand beside it",
			object{"type": "string"}))
	one := operation("get."+c.Name, "Get a row of "+c.Name, "", problems(object{"200": withCursor(g.response("The row.", c.Name+rowSuffix))}, "404", "429", "503"))
	one["parameters"] = list{object{"name": "key", "in": "path", "required": true, "schema": object{"type": "string"},
		"description": "as the events have it: " + strings.Join(c.Key, ", ") + keyHint(c)}}
	return map[string]object{"/api/collections/" + c.Name: page, "/api/collections/" + c.Name + "/{key}": one}
}

// keyHint says how the key of several columns is written.
func keyHint(c *collection.Collection) string {
	if len(c.Key) == 1 {
		return ""
	}
	return " as a JSON array"
}

// conditions returns the parameters that select and order rows.
func conditions(c *collection.Collection) list {
	var params list
	var names []string
	for _, f := range c.Fields {
		if !f.MayFilter() {
			continue
		}
		names = append(names, f.Name)
		about := fmt.Sprintf("%s: VALUE, or OP.VALUE, not.OP.VALUE, with the operators %s", f.Filter, strings.Join(f.Filter.Operators(), ", "))
		if f.Labels != nil {
			about += "; the values are " + strings.Join(f.Labels, ", ")
		}
		params = append(params, many("where."+f.Name, about))
	}
	if len(names) > 0 {
		slices.Sort(names)
		params = append(params, query("order", "up to four of "+strings.Join(names, ", ")+", each with .desc or not", object{"type": "string"}))
	}
	return params
}

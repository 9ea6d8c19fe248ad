package schema

import (
	"maps"
	"slices"

	"github.com/pgherald/pgherald/stream/collection"
)

// The names of the schemas of a collection, after its name. Names of collections and types begin with a lower-case letter,
// those of the other schemas with an upper-case one.
const (
	rowSuffix      = ".row"
	partSuffix     = ".part" // what the event of a delete shows of a row
	pageSuffix     = ".page"
	eventSuffix    = ".event"
	putSuffix      = ".put"
	deleteSuffix   = ".delete"
	leaveSuffix    = ".leave"
	envelopeSuffix = ".envelope" // after the type of an event
)

func (g generator) collectionSchemas(c *collection.Collection) object {
	name := c.Name
	var puts, deletes []string
	for _, eventType := range slices.Sorted(maps.Keys(c.Types)) {
		if c.Types[eventType] == collection.OpDelete {
			deletes = append(deletes, eventType)
		} else {
			puts = append(puts, eventType)
		}
	}
	all := slices.Concat(puts, deletes)
	return object{
		name + rowSuffix:  row("A row of "+c.Table+".", c.Fields, true),
		name + partSuffix: row("A deleted row of "+c.Table+" as it last was, perhaps not whole.", c.Fields, false),
		name + pageSuffix: g.page(c),
		name + putSuffix: g.rowEvent(name, "The row was inserted or updated: put it in the place of the row with its key.", object{
			"type": oneOf(puts...), "data": g.ref(name + rowSuffix), "key": text(""),
			"op": oneOf(collection.OpInsert, collection.OpUpdate), "moved?": always(true),
		}),
		name + deleteSuffix: g.rowEvent(name, "The row was deleted.", object{
			"type": oneOf(deletes...), "data": g.ref(name + partSuffix), "key": text(""), "op": always(collection.OpDelete),
		}),
		name + leaveSuffix: g.rowEvent(name, "The row no longer matches the filter, or the client may no longer see it: remove it.", object{
			"type": oneOf(all...), "key": text(""), "op": always(collection.OpDelete), "moved": always(true),
		}),
		name + ".oversized": g.rowEvent(name, "The row is too large for the stream: fetch it by its key.", object{
			"type": oneOf(all...), "key": text(""), "oversized": always(true),
			"op": oneOf(collection.OpInsert, collection.OpUpdate, collection.OpDelete), "moved?": always(true),
		}),
		name + eventSuffix: object{
			"description": "An event on a stream with collection=" + name + ".",
			"anyOf": g.refs(name+putSuffix, name+deleteSuffix, name+leaveSuffix, name+".oversized", "RowReset",
				"Sync", "Heartbeat", "Batch"),
		},
	}
}

// rowEvent returns the schema of an event on a stream of collections.
func (g generator) rowEvent(name, description string, members object) object {
	maps.Copy(members, object{
		"id": g.ref("EventID"), "collection": always(name), "xid": g.ref("XID"), "q?": g.ref("Selections"), "timestamp": g.ref("Timestamp"),
	})
	return record(description, members)
}

// row returns the schema of an object with the fields. Events may show more than a row, and do once a column was added.
func row(description string, fields []collection.Field, isWhole bool) object {
	properties, required := object{}, []string{}
	for _, f := range fields {
		schema := f.Shape().Schema(f.Nullable)
		schema["description"] = f.Type
		if f.Filter != "" {
			schema["description"] = f.Type + "; clients can filter and order by it"
		}
		properties[f.Name] = schema
		required = append(required, f.Name)
	}
	schema := described(object{"type": "object", "properties": properties}, description)
	if isWhole && len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

func (g generator) page(c *collection.Collection) object {
	return record("A page of the list of "+c.Name+".", object{
		"rows":        array(object{"anyOf": list{g.ref(c.Name + rowSuffix), object{"type": "null", "description": "a row that is too large or unreadable"}}}),
		"keys":        described(array(text("")), "the keys of the rows"),
		"oversized?":  described(array(text("")), "the keys of the rows that are too large"),
		"unreadable?": described(array(text("")), "the keys of the rows whose text has no equivalent in UTF-8"),
		"cursor":      g.ref("Cursor"),
		"snapshot":    text("the transactions of the cursor, in the form of PostgreSQL's pg_snapshot"),
		"next":        textOrNull("the value of after for the next page; null on the last one"),
		"count?":      integer("with count=exact: the number of rows of all pages"),
	})
}

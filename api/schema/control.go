package schema

import (
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
)

// controlSchemas returns the schemas of the events that the stream itself sends, and those that all events share.
func (g generator) controlSchemas() object {
	op := object{"op": oneOf(collection.OpInsert, collection.OpUpdate, collection.OpDelete, collection.OpReset), "moved?": always(true)}
	return object{
		"EventID":    integer("the event's id in the log"),
		"Timestamp":  integer("Unix milliseconds of the database's clock when the row was written"),
		"Cursor":     described(object{"type": "string", "maxLength": 2048}, "opaque: the transactions that the client has seen"),
		"XID":        described(object{"type": "string", "pattern": "^[0-9]+$"}, "the transaction, as pgherald.xid() returns it to its writer"),
		"Selections": described(array(text("")), "on a stream with q.NAME parameters: the names of the selections that the event concerns"),
		"Sync": record("Says what the stream continues from, and what has become of it.", object{
			"type": always(stream.TypeSync), "data": g.syncData(), "timestamp": g.ref("Timestamp"),
		}),
		"Heartbeat": record("The log was read, and there was nothing to send.", object{
			"type": always(stream.TypeHeartbeat), "data": object{"type": "object"}, "timestamp": g.ref("Timestamp"),
		}),
		"Batch": record("Several events, with the batch parameter.", object{
			"type": always(stream.TypeBatch), "timestamp": g.ref("Timestamp"),
			"data": record("", object{"events": array(object{"anyOf": g.refs(g.batched()...)})}),
		}),
		"EventPage": record("Events after a cursor, for clients without a stream. Only whole transactions.", object{
			"events": array(object{"anyOf": g.refs(g.batched()...)}), "cursor": g.ref("Cursor"),
			"snapshot?": text("the transactions of the cursor, as in pg_snapshot; absent if more events follow"),
			"more":      described(object{"type": "boolean"}, "whether more events follow at once"), "sync?": g.syncData(),
		}),
		"LogPage": record("A part of the log, the newest transactions first.", object{
			"events": array(g.pastEvent()), "cursor": g.ref("Cursor"),
			"before?": text("the value of before for the next page; absent at the beginning of the log"),
		}),
		"LogCounts": record("", object{
			"counts": array(record("", object{"from": object{"type": "string", "format": "date-time"}, "types": counts("events, by type")})),
			"step":   integer("in milliseconds"), "from": described(object{"type": "string", "format": "date-time"}, "from when on the counts are complete; earlier ones may be too low"),
			"cursor": g.ref("Cursor"),
		}),
		"RowReset": record("The rows may have changed in a way that no event tells: load the collection again, or all if none is named.", object{
			"id": g.ref("EventID"), "type": text(""), "data?": object{}, "oversized?": always(true), "collection?": text(""), "op": always(collection.OpReset),
			"xid": g.ref("XID"), "q?": g.ref("Selections"), "timestamp": g.ref("Timestamp"),
		}),
		"SelectionEvent": record("An event on a stream with q.NAME parameters that only selections of events get, or that means different things to its selections.", object{
			"id": g.ref("EventID"), "type": text(""), "data?": object{}, "oversized?": always(true), "collection?": text(""), "key?": text(""),
			"ops?": described(object{"type": "object", "additionalProperties": record("", op)}, "by selection of rows"), "xid?": g.ref("XID"),
			"q": g.ref("Selections"), "timestamp": g.ref("Timestamp"),
		}),
	}
}

// batched returns the names of the schemas of what a batch may hold.
func (g generator) batched() []string {
	names := []string{"LogEvent", "RowReset", "SelectionEvent"}
	for _, c := range g.Collections.All() {
		names = append(names, c.Name+putSuffix, c.Name+deleteSuffix, c.Name+leaveSuffix, c.Name+".oversized")
	}
	return names
}

func (g generator) syncData() object {
	return record("", object{
		"mode":    oneOf(stream.ModeLive, stream.ModeResumed, stream.ModeReset, stream.ModeStale, stream.ModeDraining, stream.ModeExpired),
		"reason?": text("why the stream was reset"), "since?": described(object{"type": "string", "format": "date-time"}, "the last read of the log, while stale"),
		"events?": integer("how many missed events follow"), "repeats?": described(always(true), "events may come again: skip those whose id was received"),
		"connection?": text("for the renewal of the token"), "expires?": integer("the end of the stream, in Unix milliseconds"),
		"heartbeat?": integer("the time between two heartbeats, in milliseconds; with the first event of a stream"),
	})
}

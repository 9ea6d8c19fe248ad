package schema

import "github.com/pgherald/pgherald/stream/collection"

// responseSchemas returns the schemas of the responses that are not streams, nor rows of collections.
func (g generator) responseSchemas() object {
	return object{
		"Problem":        problemSchema(),
		"Health":         record("", object{"status": oneOf("ok", "ready", "not ready", "draining"), "reason?": text(""), "staleSince?": text(""), "warning?": text("")}),
		"CollectionList": record("", object{"collections": array(collectionSchema())}),
		"Presence": record("The users who are online at any server, ordered by name.", object{
			"users": array(record("", object{"userId": text(""), "since": described(object{"type": "string", "format": "date-time"}, "")})), "cursor": g.ref("Cursor"),
		}),
		"Published": record("", object{"id": g.ref("EventID")}),
		"Ticket":    record("", object{"ticket": text(""), "expires": integer("Unix milliseconds")}),
		"Renewal":   record("", object{"expires": integer("the new end of the stream, in Unix milliseconds")}),
		"Stats":     statsSchema(), "Operations": operationsSchema(),
		"CustomEvent": closed(record("", object{
			"type": described(object{"type": "string", "pattern": "^[a-z][a-z0-9_.:-]{0,62}$"}, "none of the stream's own"), "data": object{},
			"key?":      described(object{"type": []string{"string", "null"}, "minLength": 1, "maxLength": 200}, "of the row that the event is about"),
			"audience?": described(object{"type": []string{"array", "null"}, "items": label(), "maxItems": 1000}, "the tags of the clients that receive the event; absent: all"),
		})),
		"Disconnect": closed(record("Whose streams end: those of one token (jti), of a user, or of tokens from before a time.", object{
			"jti?": object{"type": "string", "maxLength": 255}, "user?": object{"type": "string", "maxLength": 255},
			"issuedBefore?": object{"type": "string", "format": "date-time"},
			"until?":        described(object{"type": "string", "format": "date-time"}, "before it, the server refuses these tokens"),
		})),
		"Disconnected": record("", object{
			"streams": integer("that ended at the servers that have answered"), "servers": integer("that have answered"),
			"complete": described(object{"type": "boolean"}, "whether every server has answered"),
		}),
		"Revocation": closed(record("Which tokens end: one (jti), or those of a user, or those from before a time.", object{
			"jti?": object{"type": "string", "maxLength": 255}, "user?": object{"type": "string", "maxLength": 255},
			"issuedBefore?": object{"type": "string", "format": "date-time"}, "expires?": object{"type": "string", "format": "date-time"},
		})),
	}
}

// label is the schema of a short text in a request.
func label() object { return object{"type": "string", "minLength": 1, "maxLength": 200} }

// closed says that a request with another member is refused.
func closed(schema object) object {
	schema["additionalProperties"] = false
	return schema
}

func problemSchema() object {
	return record("A problem detail (RFC 9457).", object{
		"type": always("about:blank"), "title": text(""), "status": integer("of the response"), "detail?": text("what to do"),
		"instance?": text("the path of the request"), "code?": text("for programs: the check that failed, or the limit that was reached"),
		"errors?":      array(record("", object{"field": text("of the body or of the query string"), "detail": text("")})),
		"application?": described(object{}, "what the application said with its refusal, where it authenticates clients"),
	})
}

func statsSchema() object {
	return record("", object{
		"totalConnections": integer("streams since the start"), "activeConnections": integer("open streams"),
		"connectionsByUser": described(object{"type": "object", "additionalProperties": integer("")}, "open streams of each user"),
		"staleSince?":       described(object{"type": "string", "format": "date-time"}, "the last read of the log, while it cannot be read"),
		"feed":              anything(), "listener?": anything(), "triggers?": anything(), "pruner?": anything(),
	})
}

func operationsSchema() object {
	moment := object{"type": "string", "format": "date-time"}
	return record("The servers of the database, its log and its triggers.", object{
		"at": moment, "self": text("the id of the server that answers"), "error?": text("why the other servers are not listed"),
		"replicas": array(record("A server. What only it knows is missing from one of an earlier version.", object{
			"id": text(""), "state": oneOf("running", "silent", "stopped"), "lastSeen": moment, "silentMs": integer("since then"), "users": integer("online there"),
			"name?": text("of the host"), "version?": text(""), "startedAt?": moment, "ready?": object{"type": "boolean"}, "staleSince?": moment,
			"streams?": integer("open"), "events?": integer("read since the start"), "lagMs?": integer("from the write to the read of the newest event"),
			"leader?": text("idle, leading or draining"), "terms?": integer("how often it led"), "resets?": counts("sent to clients, by reason"),
			"role?": text("relay, or absent"), "edges?": integer("of a relay, whose streams, events and resets are their sums"),
		})),
		"leader": record("", object{"state": oneOf("idle", "leading"), "replica?": text("its id")}), "resets": counts("of all servers, by reason"),
		"log": record("", object{
			"events?": integer("an estimate"), "bytes?": integer("on disk"), "oldest?": moment, "newest?": moment,
			"horizon": text("the transaction below which events may be pruned"), "queueUsage": object{"type": "number"},
			"retainAge": integer("in seconds"), "retainBytes": integer("0: only age counts"), "error?": text(""),
		}),
		"consumers": record("pgherald.consumers, as this server last saw it.", object{
			"checkedAt": moment, "more?": object{"type": "boolean"}, "error?": text("why it could not be read"),
			"list": array(record("", object{
				"name": text(""), "state": oneOf("running", "stopped", "job"), "target?": text("where pgherald forward sends"), "movedAt?": moment,
				"lagMs": integer("age of the oldest event that it has not seen"), "behind": integer("events that it has not seen, counted up to 1000"),
				"parked": integer("counted up to 10000"), "lost?": object{"type": "boolean"}, "failingSince?": moment, "failure?": text("the last one"),
			})),
		}),
		"triggers?": anything(),
		"doctor?": record("", object{"checkedAt": moment, "error?": text(""), "findings": array(record("", object{
			"level": oneOf("ok", "warning", "error"), "check": text(""), "found": text(""), "meaning?": text(""), "remedy?": text("what to do"),
		}))}),
	})
}

func counts(description string) object {
	return described(object{"type": "object", "additionalProperties": integer("")}, description)
}

// anything is the schema of an object whose members are for people.
func anything() object { return object{"type": "object", "additionalProperties": true} }

func collectionSchema() object {
	ops := oneOf(collection.OpInsert, collection.OpUpdate, collection.OpDelete, collection.OpReset)
	return record("", object{
		"name": text(""), "table": text(""), "key": described(array(text("")), "the columns of the key"),
		"types":  described(object{"type": "object", "additionalProperties": ops}, "what the types of its events mean"),
		"fields": array(record("", object{"name": text(""), "type": text("as PostgreSQL names it"), "nullable": object{"type": "boolean"}})),
		"filter": array(record("", object{"name": text(""), "kind": text("how its values compare"), "operators": array(text("")), "labels?": array(text(""))})),
	})
}

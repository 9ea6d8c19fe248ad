package triggers

import "encoding/json"

// Schema returns the JSON Schema (draft 2020-12) of a spec, for editors. What depends on the database, such as whether a
// column exists, only Apply knows. A test compares its fields with those that Parse reads.
func Schema() []byte {
	text, err := json.MarshalIndent(specSchema(), "", "  ")
	if err != nil {
		panic("encode the schema: " + err.Error()) // it holds texts and maps only
	}
	return append(text, '\n')
}

type object = map[string]any

func specSchema() object {
	return object{
		"$schema":           "https://json-schema.org/draft/2020-12/schema",
		"title":             "pgherald spec",
		"description":       "The tables that pgherald watches, and the events of their writes.",
		"type":              "object",
		"required":          []string{"tables"},
		"patternProperties": object{"^x-": about("Holds anchors; ignored.", object{})},
		"properties": object{
			"name":     about("Distinguishes the specs of a database. Default: default.", object{"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"}),
			"version":  about("Grows: a lower version does not replace a higher one.", object{"type": "integer", "minimum": 1}),
			"on_error": onErrorSchema(),
			"bigint":   bigintSchema(),
			"tables":   object{"type": "array", "minItems": 1, "items": tableSchema()},
		},
		"additionalProperties": false,
		"$defs":                object{"sql": sqlSchema(), "payload": payloadSchema(), "type": typeSchema(), "events": eventsSchema()},
	}
}

// about adds a description.
func about(text string, schema object) object {
	schema["description"] = text
	return schema
}

func ref(name string) object { return object{"$ref": "#/$defs/" + name} }

func nullable(schema object) object { return object{"anyOf": []object{schema, {"type": "null"}}} }

// manyOf is one value or a list.
func manyOf(schema object) object {
	return object{"anyOf": []object{schema, {"type": "array", "items": schema}}}
}

func onErrorSchema() object {
	return about("What an error in an expression does: a collection_reset instead of the events (reset), or the write fails (abort).",
		object{"enum": []string{"reset", "abort"}})
}

func bigintSchema() object {
	return about("Whether payloads show bigint columns as numbers or as texts, which JavaScript reads without loss.",
		object{"enum": []string{"number", "text"}})
}

// sqlSchema accepts scalars that YAML reads as other types than text: they are SQL, too.
func sqlSchema() object {
	return about("An SQL expression over n, the row after the write, and o, the row before it.",
		object{"type": []string{"string", "number", "boolean"}})
}

func payloadSchema() object {
	return about("The fields of the event's data, as SQL. Default: all columns.",
		nullable(object{"type": "object", "minProperties": 1, "additionalProperties": ref("sql")}))
}

func typeSchema() object {
	return about("The type of an event. {table} stands for the table's name where the name of the table is a pattern.",
		object{"type": "string", "pattern": `^([a-z]|\{table\})([a-z0-9_.:-]|\{table\})*$`})
}

func tableSchema() object {
	names := manyOf(object{"type": "string"})
	return object{
		"type":     "object",
		"required": []string{"name"},
		"properties": object{
			"name":      about(`A table with its schema, as in public.orders, or a pattern, as in "public.*".`, object{"type": "string"}),
			"exclude":   about("Tables and patterns that the pattern does not watch.", names),
			"columns":   columnsSchema(names),
			"key":       about("The columns that identify a row. Default: the primary key.", names),
			"join":      about("Another table in scope; without a match there is no event.", manyOf(object{"type": "string"})),
			"left_join": about("Another table in scope; without a match the event stays.", manyOf(object{"type": "string"})),
			"payload":   ref("payload"),
			"audience":  about("text[] of the grants that see the event. Default: every client.", nullable(ref("sql"))),
			"on_error":  onErrorSchema(),
			"bigint":    bigintSchema(),
			"collection": about("Serves the table's rows as the collection of this name, which URLs show; null: as none. Default for patterns: {table}.",
				nullable(object{"type": "string", "pattern": `^([a-z]|\{table\})([a-z0-9_.-]|\{table\})*$`})),
			"row":    about("The fields of the payload that are the row of the collection. Default: all.", names),
			"filter": about("The fields of the row by which clients filter and order; \"*\" for all that have one meaning in SQL and JSON.", nullable(names)),
			"on": about("The events of each operation. Default: inserts, updates and deletes, with types of the table's name.", object{
				"type": "object", "minProperties": 1, "additionalProperties": false,
				"properties": object{
					"insert": ref("events"), "update": ref("events"), "delete": ref("events"),
					"truncate": about("A type, as-deletes for one delete a row, or null for no event.", nullable(ref("type"))),
				},
			}),
		},
		"additionalProperties": false,
	}
}

func columnsSchema(names object) object {
	return about("The columns of the default payload: without exclude, but with include.", object{
		"type": "object", "minProperties": 1, "additionalProperties": false,
		"properties": object{
			"exclude": names, "include": names,
			"sensitive": about("Whether columns whose names look sensitive are shown. Default: true, and false for patterns.", object{"type": "boolean"}),
		},
	})
}

func eventsSchema() object {
	event := object{
		"type": "object", "required": []string{"type"}, "additionalProperties": false,
		"properties": object{
			"type": ref("type"), "when": about("A condition. Default: always.", nullable(ref("sql"))),
			"key": about("The event's key. Default: the table's.", nullable(ref("sql"))), "payload": ref("payload"),
			"audience": about("text[] of the grants that see the event; null for every client.", nullable(ref("sql"))),
		},
	}
	return manyOf(object{"anyOf": []object{ref("type"), event}})
}

package schema

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/pgherald/pgherald/stream/collection"
)

// Source holds what the documents describe.
type Source struct {
	Version     string // of the server
	Collections *collection.Set
	Events      []Event // of the spec; those that show the row of a collection need not be among them
	Security    Security
	Routes      []Route // of the server's router
}

// Event is a type of events.
type Event struct {
	Type   string
	Fields []collection.Field // the members of its data; nil if they are not known
}

// Security says how clients identify themselves. The zero value means that every client is anonymous.
type Security struct{ Tokens, TokensInURLs, Tickets bool }

// Route is a method of a path.
type Route struct {
	Method, Path string // as the router has them
	NeedsRole    bool
	Operation    *Operation // nil for the routes that this package knows
}

// Operation describes a route of an application.
type Operation struct {
	Object  map[string]any // OpenAPI's Operation Object, without security and problems
	Schemas map[string]any // to which it refers by #/components/schemas/NAME
}

type (
	object = map[string]any
	list   = []any
)

// generator makes the schemas of a document.
type generator struct {
	Source
	prefix string // of the references to schemas
}

// JSONSchema returns a document whose $defs are the schemas of all rows and envelopes. Its own schema is that of an
// envelope.
func JSONSchema(s Source) []byte {
	g := generator{s, "#/$defs/"}
	return encode(object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "pgherald",
		"description": "The rows of the collections (NAME.row), the events of streams with collection=NAME (NAME.event) and without (TYPE.envelope), " +
			"and what else the server sends.",
		"$ref":  g.prefix + "Envelope",
		"$defs": g.schemas(),
	})
}

// schemas returns the schemas of everything that the server sends, by name.
func (g generator) schemas() object {
	schemas := g.controlSchemas()
	for _, more := range []object{g.envelopeSchemas(), g.responseSchemas()} {
		maps.Copy(schemas, more)
	}
	for _, c := range g.Collections.All() {
		maps.Copy(schemas, g.collectionSchemas(c))
	}
	return schemas
}

func (g generator) ref(name string) object { return object{"$ref": g.prefix + name} }

func (g generator) refs(names ...string) list {
	refs := make(list, len(names))
	for i, name := range names {
		refs[i] = g.ref(name)
	}
	return refs
}

// record returns the schema of an object. A name that ends with ? may be absent.
func record(description string, members object) object {
	properties, required := object{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		member := members[name]
		if last := len(name) - 1; name[last] == '?' {
			name = name[:last]
		} else {
			required = append(required, name)
		}
		properties[name] = member
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 { // draft 4, which some tools still read, has no empty list
		schema["required"] = required
	}
	if description != "" {
		schema["description"] = description
	}
	return schema
}

func text(description string) object { return described(object{"type": "string"}, description) }

func integer(description string) object { return described(object{"type": "integer"}, description) }

func always(value any) object { return object{"const": value} }

func oneOf[T ~string](values ...T) object { return object{"type": "string", "enum": values} }

func array(items any) object { return object{"type": "array", "items": items} }

func textOrNull(description string) object {
	return described(object{"type": []string{"string", "null"}}, description)
}

func described(schema object, description string) object {
	if description != "" {
		schema["description"] = description
	}
	return schema
}

// encode returns the JSON of a document, which holds nothing that JSON does not have.
func encode(document object) []byte {
	text, err := json.Marshal(document)
	if err != nil {
		panic("encode a schema: " + err.Error())
	}
	return append(text, '\n')
}

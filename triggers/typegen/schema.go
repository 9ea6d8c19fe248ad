package typegen

import (
	"encoding/json"

	"github.com/pgherald/pgherald/triggers"
)

// Schema returns the JSON Schema (draft 2020-12) of the rows of a collection.
func Schema(s triggers.Source) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range s.Fields {
		field := f.Shape().Schema(f.Nullable)
		field["description"] = f.Type
		properties[f.Name] = field
		required = append(required, f.Name)
	}
	return map[string]any{
		"title": s.Name, "description": "A row of the table " + s.Table + ".",
		"type": "object", "properties": properties, "required": required,
	}
}

// JSONSchema returns one JSON Schema with the rows of all collections under $defs, by the names of the collections.
func JSONSchema(sources []triggers.Source) ([]byte, error) {
	definitions := map[string]any{}
	for _, s := range sources {
		definitions[s.Name] = Schema(s)
	}
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Rows of pgherald's collections", "$comment": head, "$defs": definitions,
	}, "", "  ")
	return append(text, '\n'), err
}

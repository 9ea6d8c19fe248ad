package collection

import (
	"slices"
	"strconv"
	"strings"
)

// Shape says what PostgreSQL's to_json makes of the values of a type, except null. The zero Shape may be anything.
type Shape struct {
	JSON string // the type in JSON Schema
	// Format is the format of a string in JSON Schema, empty if it has none.
	Format string
	// Values are all that there are besides those of JSON: the labels of an enum, and the numbers that JSON does not have.
	Values []string
	// MaxLength bounds a string, in characters; 0 does not.
	MaxLength int
	// Items is the shape of the elements of an array, which may be null.
	Items *Shape
}

// Shape returns what clients receive as the value of the field.
func (f *Field) Shape() Shape {
	if len(f.Labels) > 0 {
		return Shape{Values: slices.Clone(f.Labels)}
	}
	shape := shapeOf(f.JSONType)
	if shape.JSON == "string" && strings.HasPrefix(f.Type, "character") {
		shape.MaxLength = lengthOf(f.Type)
	}
	return shape
}

// shapeOf returns the shape of a type of PostgreSQL's own, by either of its names.
func shapeOf(name string) Shape {
	if element, isArray := strings.CutSuffix(name, "[]"); isArray {
		items := shapeOf(element)
		return Shape{JSON: "array", Items: &items}
	}
	name, _, _ = strings.Cut(name, "(")
	switch name {
	case "", "unknown", "json", "jsonb":
		return Shape{}
	case "record":
		return Shape{JSON: "object"}
	case "boolean", "bool":
		return Shape{JSON: "boolean"}
	case "smallint", "integer", "bigint", "int2", "int4", "int8":
		return Shape{JSON: "integer"}
	case "real", "double precision", "numeric", "float4", "float8":
		return Shape{JSON: "number", Values: []string{"NaN", "Infinity", "-Infinity"}}
	case "uuid":
		return Shape{JSON: "string", Format: "uuid"}
	case "date":
		return Shape{JSON: "string", Format: "date"}
	case "timestamptz", "timestamp with time zone":
		return Shape{JSON: "string", Format: "date-time"}
	}
	return Shape{JSON: "string"}
}

// lengthOf returns n of a type such as character varying(n), 0 if it has none or is an array.
func lengthOf(name string) int {
	_, n, _ := strings.Cut(name, "(")
	n, rest, _ := strings.Cut(n, ")")
	length, err := strconv.Atoi(n)
	if err != nil || rest != "" {
		return 0
	}
	return length
}

// Schema returns the JSON Schema of the shape, or of the shape or null. It means the same in draft 7 and in 2020-12.
func (s Shape) Schema(nullable bool) map[string]any {
	schema := map[string]any{}
	switch {
	case s.JSON == "" && s.Values == nil:
		return schema // anything, null too
	case s.JSON == "array":
		schema["type"], schema["items"] = "array", s.Items.Schema(true)
	case s.JSON == "":
		schema["enum"] = s.Values
		schema["type"] = "string"
	case s.Values != nil:
		return anyOf(map[string]any{"type": s.JSON}, map[string]any{"type": "string", "enum": s.Values}, nullable)
	case s.JSON == "object":
		schema["type"], schema["additionalProperties"] = "object", true // or generators of code take it for an empty one
	default:
		schema["type"] = s.JSON
	}
	if s.Format != "" {
		schema["format"] = s.Format
	}
	if s.MaxLength > 0 {
		schema["maxLength"] = s.MaxLength
	}
	if nullable {
		return orNull(schema)
	}
	return schema
}

func anyOf(first, second map[string]any, nullable bool) map[string]any {
	list := []any{first, second}
	if nullable {
		list = append(list, map[string]any{"type": "null"})
	}
	return map[string]any{"anyOf": list}
}

// orNull adds null to a schema with one type.
func orNull(schema map[string]any) map[string]any {
	schema["type"] = []string{schema["type"].(string), "null"}
	if labels, ok := schema["enum"].([]string); ok {
		values := make([]any, 0, len(labels)+1)
		for _, label := range labels {
			values = append(values, label)
		}
		schema["enum"] = append(values, nil)
	}
	return schema
}

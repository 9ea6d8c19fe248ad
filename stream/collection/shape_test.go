package collection_test

import (
	"fmt"
	"testing"

	"github.com/pgherald/pgherald/stream/collection"
)

// TestShape has the schemas of a few fields. Package triggers compares those of all types with what PostgreSQL gives.
func TestShape(t *testing.T) {
	for _, test := range []struct {
		field collection.Field
		want  string
	}{
		{collection.Field{Type: "character varying(20)", JSONType: "varchar"}, "map[maxLength:20 type:string]"},
		{collection.Field{Type: "character varying(20)[]", JSONType: "varchar[]"}, "map[items:map[type:[string null]] type:array]"},
		{collection.Field{Type: "public.short", JSONType: "varchar", Nullable: true}, "map[type:[string null]]"},
		{collection.Field{Type: "numeric(10,2)", JSONType: "numeric"}, "map[anyOf:[map[type:number] map[enum:[NaN Infinity -Infinity] type:string]]]"},
		{collection.Field{Type: "mood", JSONType: "text", Labels: []string{"a"}, Nullable: true}, "map[enum:[a <nil>] type:[string null]]"},
		{collection.Field{Type: "mood[]", JSONType: "text[]"}, "map[items:map[type:[string null]] type:array]"},
		{collection.Field{Type: "timestamp with time zone", JSONType: "timestamptz"}, "map[format:date-time type:string]"},
		{collection.Field{Type: "timestamp(3) with time zone", JSONType: "timestamptz"}, "map[format:date-time type:string]"},
		{collection.Field{Type: "public.pair", JSONType: "record"}, "map[additionalProperties:true type:object]"},
		{collection.Field{Type: "jsonb", JSONType: "jsonb"}, "map[]"},
		{collection.Field{Type: "unknown", Nullable: true}, "map[]"},
	} {
		if got := fmt.Sprint(test.field.Shape().Schema(test.field.Nullable)); got != test.want {
			t.Errorf("%s: %s, want %s", test.field.Type, got, test.want)
		}
	}
}

package triggers

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// identifiers draws names of up to 63 bytes, with many special characters.
func identifiers() *rapid.Generator[string] {
	char := rapid.OneOf(rapid.SampledFrom([]rune("\"'\\.$ \n\r\tselctA_é語🦜;-/*")), rapid.Rune())
	return rapid.Custom(func(t *rapid.T) string {
		text := rapid.StringOfN(char, 1, 40, maxIdent).Draw(t, "name")
		return strings.ReplaceAll(text, "\x00", "0")
	})
}

func TestQuotedNamesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := Name{identifiers().Draw(t, "schema"), identifiers().Draw(t, "table")}
		text := name.String()
		if strings.ContainsAny(text, "\r\n") {
			t.Fatalf("%q spans lines", text)
		}
		if strings.ContainsAny(name.Schema+name.Table, "\r\n") {
			return // quoted with escapes, which a spec cannot contain
		}
		got, err := parseName(text)
		if err != nil || got != name {
			t.Fatalf("%q reads back as %q: %v", text, got, err)
		}
	})
}

func TestFunctionNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := Name{identifiers().Draw(t, "schema"), identifiers().Draw(t, "table")}
		other := Name{identifiers().Draw(t, "schema"), identifiers().Draw(t, "table")}
		got := functionName(name, opUpdate)
		if len(got) > maxIdent || !utf8.ValidString(got) || functionName(name, opUpdate) != got {
			t.Fatalf("function name %q", got)
		}
		if other != name && functionName(other, opUpdate) == got || functionName(name, opInsert) == got {
			t.Fatalf("%v and %v share the name %q", name, other, got)
		}
	})
}

func TestQuoteIdent(t *testing.T) {
	for name, want := range map[string]string{
		"orders": "orders", "order_2": "order_2", "_x": "_x", "2x": `"2x"`, "Order": `"Order"`, "select": `"select"`,
		"name": "name", "a b": `"a b"`, `a"b`: `"a""b"`, "é": `"é"`, "": `""`, "a$b": `"a$b"`, "a\nb": `U&"a\000Ab"`,
	} {
		if got := quoteIdent(name); got != want {
			t.Errorf("quoteIdent(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestParseName(t *testing.T) {
	for text, want := range map[string]string{
		"public.orders": "public orders", "Public.ORDERS": "public orders", `public."Order Items"`: "public Order Items",
		`"a.b"."c""d"`: `a.b c"d`, "größe.Tür": "größe tür", "a.b_$1": "a b_$1",
	} {
		got, err := parseName(text)
		if err != nil || got.Schema+" "+got.Table != want {
			t.Errorf("parseName(%s) = %v, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"orders": "name the schema too, as in public.orders", "": "expected schema.table", "a.b.c": "expected schema.table and nothing after",
		"a.": "expected schema.table", ".a": "expected schema.table", "a b.c": "put a name with unusual characters in double quotes",
		`"a.b`: "the closing quote is missing", `"".a`: "it is empty", "1a.b": "expected schema.table",
		"a." + strings.Repeat("x", 64): "it has 64 bytes, and Postgres allows 63", "\"a\xff\".b": "not valid text",
	} {
		if got, err := parseName(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseName(%s) = %v, %v, want an error with %q", text, got, err, want)
		}
	}
}

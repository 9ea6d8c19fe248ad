package triggers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"
)

// oddNames returns names that are hard to quote. The test uses each for a schema, a table, its key and a
// payload field at once.
func oddNames() []string {
	return []string{
		"Order Items", "select", "user", "into", "written", "event", "payload", "n", "o", "key", "type",
		`qu"ote`, "it's", `back\slash`, "a.b", "$pgherald$", "new_rows", "old_rows", "%s", "--", "/*", ";",
		"größe", "注文の明細", "emoji 🦜", "tab\tnew\nline", " ",
		strings.Repeat("x", 63), strings.Repeat("é", 31), strings.Repeat("語", 21),
	}
}

func TestOddNames(t *testing.T) {
	b := open(t, "")
	var spec strings.Builder
	spec.WriteString("tables:\n")
	for _, name := range oddNames() {
		q := pgx.Identifier{name}.Sanitize()
		b.exec(fmt.Sprintf(`create schema if not exists %[1]s; create table %[1]s.%[1]s (%[1]s int primary key, "text" text)`, q))
		fmt.Fprintf(&spec, "  - name: %s\n    key: %s\n    payload: { %s: %s, text_: n.text, was_: o.text }\n"+
			"    on: { insert: created, update: updated, delete: deleted, truncate: as-deletes }\n",
			quoteYAML(t, q+"."+q), quoteYAML(t, q), quoteYAML(t, name), quoteYAML(t, "n."+q))
	}
	b.apply(parse(t, spec.String()))
	for _, name := range oddNames() {
		b.writesTo(name)
	}
	b.drifts(spec.String())
}

// TestLineBreaksInColumns has each form in which a trigger function names a column: no expression of the spec names it in
// another one, which plpgsql would know.
func TestLineBreaksInColumns(t *testing.T) {
	for _, name := range []string{"a\nb", "\r\n\t\\n", "\"\n    \n"} {
		q := pgx.Identifier{name}.Sanitize()
		b := open(t, fmt.Sprintf(`create table public.lines (%s text primary key, total int); create table public.notes (id int primary key, %[1]s text)`, q))
		spec := `
tables:
  - { name: public.lines, collection: lines, filter: "*", columns: { sensitive: true }, on: { insert: created, update: updated, delete: deleted, truncate: as-deletes } }
  - { name: public.notes, collection: notes, filter: "*", columns: { sensitive: true }, bigint: text, on: { insert: created_value, update: updated_value, delete: deleted_value } }
`
		b.apply(parse(t, spec))
		field := b.one(`select to_json($1::text)::text`, name)
		row := func(key string, total int) string {
			return fmt.Sprintf(`%s {%s:"%[1]s","total":%[3]d}`, key, field, total)
		}
		b.gives(`insert into public.lines values ('a', 1)`, `created `+row("a", 1))
		b.gives(`update public.lines set total = 2`, `updated `+row("a", 2))
		b.exec(`update public.lines set ` + q + ` = 'b'`)
		b.wantsAnyOrder(`created `+row("b", 2), `deleted `+row("a", 2))
		b.gives(`truncate public.lines`, `deleted `+row("b", 2))

		value := func(text string) string { return fmt.Sprintf(`1 {"id":1,%s:"%s"}`, field, text) }
		b.gives(`insert into public.notes values (1, 'x')`, `created_value `+value("x"))
		b.gives(`update public.notes set `+q+` = 'y'`, `updated_value `+value("y"))
		if was := b.one(`select was::text from pgherald.events where type = 'updated_value'`); was != `{`+field+`:"x"}` {
			t.Errorf("the event of %q has the former values %s", name, was)
		}
		b.gives(`delete from public.notes`, `deleted_value `+value("y"))
		b.drifts(spec)
	}
}

// quoteYAML quotes a text for a flow mapping.
func quoteYAML(t *testing.T, text string) string {
	quoted, err := yaml.MarshalWithOptions(text, yaml.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(quoted))
}

// writesTo checks all operations, a key change and a truncate on the table with this name.
func (b *testBed) writesTo(name string) {
	b.t.Helper()
	q := pgx.Identifier{name}.Sanitize()
	table := q + "." + q
	data := func(id int, now, was string) string {
		return b.one(`select to_json($1::text)::text`, name) + fmt.Sprintf(`:%d,"text_":%s,"was_":%s}`, id, now, was)
	}
	b.gives(`insert into `+table+` values (1, 'a')`, `created 1 {`+data(1, `"a"`, `null`))
	b.gives(`update `+table+` set "text" = 'b'`, `updated 1 {`+data(1, `"b"`, `"a"`))
	b.exec(`update ` + table + ` set ` + q + ` = 2`)
	b.wantsAnyOrder(`created 2 {`+data(2, `"b"`, `null`), `deleted 1 {`+data(1, `"b"`, `"b"`))
	b.gives(`delete from `+table, `deleted 2 {`+data(2, `"b"`, `"b"`))
	b.exec(`insert into ` + table + ` values (3, null)`)
	b.events()
	b.gives(`truncate `+table, `deleted 3 {`+data(3, `null`, `null`))
}

// The names differ only after many bytes, or their dots are ambiguous.
func TestFunctionNamesDoNotCollide(t *testing.T) {
	long := strings.Repeat("x", 62)
	b := open(t, fmt.Sprintf(`
		create schema "a.b"; create schema a;
		create table "a.b".c (id int primary key);
		create table a."b.c" (id int primary key);
		create table public.%[1]s1 (id int primary key);
		create table public.%[1]s2 (id int primary key)`, long))
	spec := fmt.Sprintf(`
tables:
  - { name: '"a.b".c', on: { insert: first } }
  - { name: 'a."b.c"', on: { insert: second } }
  - { name: public.%[1]s1, on: { insert: third } }
  - { name: public.%[1]s2, on: { insert: fourth } }
`, long)
	b.apply(parse(t, spec))
	b.gives(`insert into "a.b".c values (1)`, `first 1 {"id":1}`)
	b.gives(`insert into a."b.c" values (1)`, `second 1 {"id":1}`)
	b.gives(`insert into public.`+long+`1 values (1)`, `third 1 {"id":1}`)
	b.gives(`insert into public.`+long+`2 values (1)`, `fourth 1 {"id":1}`)
	b.drifts(spec)
}

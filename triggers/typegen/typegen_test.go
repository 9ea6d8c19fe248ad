package typegen_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
	"github.com/pgherald/pgherald/triggers/typegen"
)

const ddl = `
	create schema sales;
	create type public.mood as enum ('sad', 'so-so', 'happy "!"');
	create domain public.label as text;
	create table public.order_items (
		id bigint primary key, quantity integer not null, price numeric(10, 2), ratio float8 not null, name varchar(20) not null, label public.label,
		mood public.mood, feeling public.mood not null default 'sad', tags text[], lists jsonb[] not null default '{}', doc jsonb, paid boolean not null default false,
		day date, at timestamptz not null default '2026-01-02 03:04:05Z', guid uuid, "order-by" text, "ORDER by" text, "1st ""*/ name" text, "größe" text, "!" text
	);
	create table sales.order_items (id bigint, line smallint, primary key (id, line));
	create table public.tasks (id bigint primary key, state text)`

const spec = `
tables:
  - name: "*"
    exclude: [public.tasks, "public.a*"]
  - name: public.tasks
    bigint: text
    collection: tasks
    row: [id, state]
    filter: [state]
    on:
      insert: { type: task.created, payload: { id: n.id, state: n.state, extra: 1 } }
      update: { type: task.updated, payload: { id: n.id, state: n.state, was: o.state } }
      delete: { type: task.deleted, payload: { id: n.id } }
`

// sourcesOf applies the spec, and returns its collections with a connection.
func sourcesOf(t *testing.T) (*pgx.Conn, []triggers.Source) {
	t.Helper()
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, ddl)
	parsed, err := triggers.Parse([]byte(spec))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(t.Context(), conn, parsed); err != nil {
		t.Fatal(err)
	}
	sources, err := triggers.Describe(t.Context(), conn, parsed)
	if err != nil {
		t.Fatal(err)
	}
	installed, err := triggers.Collections(t.Context(), conn, parsed)
	if err != nil || len(installed) != len(sources) || len(sources) != 3 {
		t.Fatalf("%d collections, %d installed, %v", len(sources), len(installed), err)
	}
	return conn, sources
}

func TestGolden(t *testing.T) {
	t.Parallel()
	_, sources := sourcesOf(t)
	golang, err := typegen.Go("shop", sources)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := typegen.JSONSchema(sources)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "types.ts", typegen.TypeScript(sources))
	compare(t, "types.go.txt", golang)
	compare(t, "types.json", schema)
	checkGo(t, golang)
	checkTypeScript(t)
	slices.Reverse(sources)
	if again := typegen.TypeScript(sources); string(again) != read(t, "types.ts") {
		t.Error("another order of the collections gives another file")
	}
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(filepath.Join("testdata", name), got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, name), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkGo compiles the file, without a program.
func checkGo(t *testing.T, text []byte) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "types.go", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(files, "source", nil)}
	if _, err := config.Check("shop", files, []*ast.File{file}, nil); err != nil {
		t.Error(err)
	}
}

// checkTypeScript compiles the golden file and a program that uses it, if the npm client's compiler is installed.
func checkTypeScript(t *testing.T) {
	t.Helper()
	compiler, err := filepath.Abs("../../web/client/node_modules/typescript/bin/tsc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(compiler); err != nil {
		t.Log("typescript is not installed in web/client: the file is not compiled")
		return
	}
	cmd := exec.CommandContext(t.Context(), compiler, "--noEmit", "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes",
		"--target", "es2022", "--types", "", "use.ts")
	cmd.Dir = "testdata"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestSchema validates the data of real events and rows with a nullable and a missing value.
func TestSchema(t *testing.T) {
	t.Parallel()
	conn, sources := sourcesOf(t)
	text, err := typegen.JSONSchema(sources)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("types.json", doc); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `
		insert into public.order_items (id, quantity, ratio, name) values (1, 2, 'NaN', 'a');
		insert into public.order_items values (9007199254740993, 2, 'NaN', 'Infinity', 'b', 'c', 'so-so', 'happy "!"', '{a,null}', array['{"a":[1]}'::jsonb, null], '[]',
			true, '2026-01-02', default, gen_random_uuid(), 'x', 'y', 'z', 'ä');
		insert into sales.order_items values (1, 2);
		insert into public.tasks values (9007199254740993, null)`)
	rows, err := conn.Query(t.Context(), `select type, data::text from pgherald.events order by id`)
	if err != nil {
		t.Fatal(err)
	}
	var eventType, data string
	n := 0
	_, err = pgx.ForEachRow(rows, []any{&eventType, &data}, func() error {
		n++
		at := slices.IndexFunc(sources, func(s triggers.Source) bool { return s.Types[eventType] != "" })
		schema, err := compiler.Compile("types.json#/$defs/" + sources[at].Name)
		if err != nil {
			return err
		}
		row, err := jsonschema.UnmarshalJSON(strings.NewReader(data))
		if err != nil {
			return err
		}
		if err := schema.Validate(row); err != nil {
			t.Errorf("%s: %v", data, err)
		}
		var broken map[string]any
		if err := json.Unmarshal([]byte(data), &broken); err != nil {
			return err
		}
		delete(broken, "id")
		if schema.Validate(broken) == nil {
			t.Errorf("%s without an id is valid", data)
		}
		return nil
	})
	if err != nil || n != 4 {
		t.Errorf("%d events, %v", n, err)
	}
}

package triggers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// TestNamesThatPostgreSQLCannotSend has tables of others whose names have no equivalent in UTF-8. They concern no other table.
func TestNamesThatPostgreSQLCannotSend(t *testing.T) {
	for encoding, bad := range map[string]string{"SQL_ASCII": `convert_from('\xff41', 'SQL_ASCII')`, "WIN1252": `'a' || chr(129)`} {
		t.Run(encoding, func(t *testing.T) {
			url := pgtest.EncodedDatabase(t, encoding)
			b := &testBed{t: t, url: url, conn: pgtest.Connect(t, url), inspectors: make(map[string]*triggers.Inspector)}
			b.exec(`create table public.items (id int primary key)`)
			spec := `tables: [ { name: "public.*" } ]`
			b.apply(parse(t, spec))
			b.exec(`do $do$ begin
				create schema others;
				create table public.wide (id int primary key);
				create table public.later (id int primary key);
				execute format('create table others.%1$I (id int primary key); create table public.%1$I (id int primary key);
					alter table public.wide add %1$I int', ` + bad + `);
			end $do$`)
			if diff := cmp.Diff([]triggers.Kind{triggers.KindNew}, b.inspect(spec)); diff != "" {
				t.Error(diff)
			}
			b.apply(parse(t, spec))
			b.gives(`insert into public.items values (1)`, `items_created 1 {"id":1}`)
			b.gives(`insert into public.later values (1)`, `later_created 1 {"id":1}`)
			b.drifts(spec)
		})
	}
}

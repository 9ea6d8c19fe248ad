package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// typesDDL has a column for each kind of value that JSON encoders or clients are known to get wrong.
const typesDDL = `
create type public.mood as enum ('sad', 'o''k', 'so "so"', E'new\nline');
create type public.place as (street text, number int);
create domain public.email as text check (value like '%@%');
create table public.kinds (
    id int primary key,
    "Mixed ""name""" text,
    body text, doc json, docb jsonb, tags text[], nested int[], spans tstzrange, days int4range[], raw bytea,
    big bigint, exact numeric, ratio float8, small real, at timestamptz, local timestamp, day date, clock time, took interval,
    feeling public.mood, home public.place, homes public.place[], mail public.email, key uuid, yes bool, bits bit(5),
    padded char(5), net inet, spot point, price money, words tsvector, page xml, self oid, one "char", mac macaddr, path jsonpath
)`

const typesSpec = `
tables:
  - name: public.kinds
    on: { insert: made, update: changed, delete: gone }
`

// typesValues are assignments. The test inserts, updates and deletes a row for each.
var typesValues = []string{
	`body = repeat('0123456789abcdef', 65536)`,
	`body = repeat(E'🦜\n"\\', 131072)`,
	`body = E'a\nb\r\nc\rd\u2028e\u2029f\u0085g\vh'`,
	`body = E'data: {"id":0}\n\nid: forged\nevent: x\nretry: 1\n\n'`,
	`body = (select string_agg(chr(i), '') from generate_series(1, 159) as i)`,
	`body = E'👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \U0010FFFF \uFEFF \uFFFD \u200B ‮'`,
	`body = E'\\ \\\\ " \\" '' \\n \\u0000 </script> <!-- & \t'`,
	`"Mixed ""name""" = '', body = ' '`,
	`doc = E'{\n\t"a" :\r\n [1,\n\n2] ,"a":\r"twice"\n}', docb = E'{\n"b" :\n1e400, "a": [ ] }'`,
	`doc = 'null', docb = '"\u2028"'`,
	`doc = '123456789012345678901234567890.10', docb = '-0.0'`,
	`tags = array['x', null, 'a"b', 'null', '', E'\n', '{}', ',']`,
	`tags = '{}', nested = '{{1,null},{3,4}}', days = '{"[1,5)","empty"}'`,
	`nested = '[-1:0][2:3]={{1,2},{3,4}}'`,
	`raw = decode(repeat('00ff0a0d', 1000), 'hex')`,
	`big = 9223372036854775807, exact = 9007199254740993`,
	`big = -9223372036854775808, exact = 1e300 + 0.000000000000000000001`,
	`big = 9007199254740993, exact = 'NaN', ratio = 'NaN', small = '-Infinity'`,
	`ratio = 0.1::float8 + 0.2, small = 1e-45, exact = 0.10`,
	`ratio = 5e-324, small = 3.4028235e38, exact = -0.000`,
	`at = 'infinity', local = '-infinity', day = 'infinity', spans = '[,)'`,
	`at = '4713-01-01 00:00:00+00 BC', local = '0044-03-15 12:00 BC', day = '4714-11-24 BC'`,
	`at = '294276-12-31 23:59:59.999999+00', day = '5874897-12-31', clock = '24:00', spans = '[2026-01-01,infinity)'`,
	`took = '-1 year 2 mons -3 days 04:05:06.789', spans = 'empty'`,
	`feeling = 'so "so"', mail = E'"quoted\n"@example.org', key = '0190a1b2-c3d4-7e5f-8a9b-0123456789ab', yes = false`,
	`feeling = E'new\nline', bits = b'10101', padded = 'x', net = '2001:db8::1/64', spot = '(1,-0)', price = 12345.67`,
	`home = row(E'Main "St"\n', null)::public.place, homes = array[row('a', 1), null, row(null, null)]::public.place[]`,
	`words = to_tsvector('simple', 'it''s a "test"'), page = E'<a>\n<b x="1"/></a>', self = 4294967295, one = 'x'`,
	`mac = '08:00:2b:01:02:03', path = '$.a[*] ? (@ > 1)'`,
	`id = id`, // all other columns are null
}

// TestValuesOfAllTypes compares the data of events with PostgreSQL's own to_json of the row.
func TestValuesOfAllTypes(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, typesDDL)
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(spec, []byte(typesSpec), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(url, func(c *server.Config) { c.Database.Spec, c.Tuning.FeedBytes = spec, 1<<20 })
	startNodes(ctx, t, n)
	defer n.end(t)
	frames := openFrames(ctx, t, n)
	pgtest.Exec(t, conn, `set timezone = 'UTC'; set bytea_output = 'hex'; set intervalstyle = 'postgres'`)
	for i, assignment := range typesValues {
		pgtest.Exec(t, conn, `insert into public.kinds (id) values ($1)`, i)
		checkEvent(t, frames.last(t), "made", rowJSON(t, conn, i))
		pgtest.Exec(t, conn, `update public.kinds set `+assignment+` where id = `+strconv.Itoa(i))
		want := rowJSON(t, conn, i)
		if assignment != `id = id` {
			checkEvent(t, frames.last(t), "changed", want)
		}
		pgtest.Exec(t, conn, `delete from public.kinds where id = $1`, i)
		checkEvent(t, frames.last(t), "gone", want)
	}
}

// rowJSON returns the row as PostgreSQL writes it.
func rowJSON(t *testing.T, conn *pgx.Conn, id int) string {
	t.Helper()
	var text string
	if err := conn.QueryRow(t.Context(), `select to_json(k.*)::text from public.kinds as k where id = $1`, id).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

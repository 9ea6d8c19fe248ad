package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// rowsDDL has a column for every kind of value that has caused trouble to somebody.
const rowsDDL = `
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

const rowsSpec = `
tables:
  - name: public.kinds
    on: { insert: made, update: changed, delete: gone }
`

// wireKinds are assignments of one row each: they are inserted, changed and deleted.
var wireKinds = []string{
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
	`id = id`, // all the others null
}

// TestEveryTypeOverTheWire writes values of every kind and compares what arrives with what Postgres
// itself makes of the row, and each frame with the rules of an event stream.
func TestEveryTypeOverTheWire(t *testing.T) {
	ctx := testContext(t)
	url := pgtest.EmptyDatabase(t)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn, rowsDDL)
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(spec, []byte(rowsSpec), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(url, func(c *server.Config) { c.Database.Spec, c.Tuning.FeedBytes = spec, 1<<20 })
	startNodes(ctx, t, n)
	defer n.end(t)
	frames := openFrames(ctx, t, n)
	pgtest.Exec(t, conn, `set timezone = 'UTC'; set bytea_output = 'hex'; set intervalstyle = 'postgres'`)
	for i, kind := range wireKinds {
		pgtest.Exec(t, conn, `insert into public.kinds (id) values ($1)`, i)
		frames.next(t, "made", asJSON(t, conn, i))
		pgtest.Exec(t, conn, `update public.kinds set `+kind+` where id = `+strconv.Itoa(i))
		want := asJSON(t, conn, i)
		if kind != `id = id` {
			frames.next(t, "changed", want)
		}
		pgtest.Exec(t, conn, `delete from public.kinds where id = $1`, i)
		frames.next(t, "gone", want)
	}
}

// asJSON is the row as Postgres writes it.
func asJSON(t *testing.T, conn *pgx.Conn, id int) string {
	t.Helper()
	var text string
	if err := conn.QueryRow(t.Context(), `select to_json(k.*)::text from public.kinds as k where id = $1`, id).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// frames reads a stream as strictly as can be: events of one data line, with or without an id
// line before, and an empty line between them.
type frames struct{ in *bufio.Reader }

func openFrames(ctx context.Context, t *testing.T, n *node) *frames {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.at("/api/events"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newHTTPClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	f := &frames{in: bufio.NewReader(resp.Body)}
	f.line(t, "retry: ")
	f.line(t, "\n")
	f.line(t, "id: ")
	f.line(t, `data: {"type":"sync","data":{"mode":"live"}`)
	f.line(t, "\n")
	return f
}

// line reads a line, which must begin with the prefix. Lines end where a browser says that they
// do: at \r as well.
func (f *frames) line(t *testing.T, prefix string) string {
	t.Helper()
	line, err := f.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, prefix) || strings.ContainsAny(line, "\r\x00") {
		t.Fatalf("line %.200q, %v; want %.200q", line, err, prefix)
	}
	return strings.TrimSuffix(strings.TrimPrefix(line, prefix), "\n")
}

// next reads one event and compares it.
func (f *frames) next(t *testing.T, kind, want string) {
	t.Helper()
	f.line(t, "id: ")
	line := f.line(t, "data: ")
	f.line(t, "\n")
	var event struct {
		Type string
		Data json.RawMessage
	}
	if err := json.Unmarshal([]byte(line), &event); err != nil {
		t.Fatalf("event %.200q: %v", line, err)
	}
	if event.Type != kind {
		t.Fatalf("event of type %s, want %s", event.Type, kind)
	}
	if diff := cmp.Diff(numbersAsText(t, []byte(want)), numbersAsText(t, event.Data)); diff != "" {
		t.Errorf("%s (-want +got):\n%.2000s", kind, diff)
	}
	if spaces := strings.NewReplacer("\n", " ", "\r", " ").Replace(want); spaces != string(event.Data) {
		t.Errorf("%s is not what Postgres wrote, letter by letter:\n%.300s\n%.300s", kind, event.Data, spaces)
	}
}

// numbersAsText decodes JSON without rounding.
func numbersAsText(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %.200q: %v", text, err)
	}
	return v
}

package collection_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/collection"
)

var (
	histories = flag.Int("collection.histories", 16, "random tables of TestFiltersEqualSQL")
	firstSeed = flag.Uint64("collection.seed", 1, "seed of the first random table")
)

const (
	rowsOfTable     = 60
	filtersOfTable  = 60
	schemaOfOracles = `
create schema "Odd ""schema";
create domain public.note as text;
create domain public.shorter as varchar(30);
create domain public.amount as numeric;
create domain public.day as date;
create domain public.big as bigint;
create type "Odd ""schema"."Mood" as enum ('open', 'pa"id', 'in,progress', '(x)', 'NULL', 'a\b', '');
create domain public.moody as "Odd ""schema"."Mood";
create table public.rows (
    id bigint not null,
    "te.xt" text, v varchar(1200), nm name, note public.note, "shor""ter" public.shorter, c text collate "C",
    mood "Odd ""schema"."Mood", moody public.moody, yes boolean,
    i2 smallint, i4 integer, i8 bigint, i8t bigint, big public.big,
    num numeric, money numeric(20,2), amount public.amount,
    u uuid, d date, day public.day, ts timestamp, ts3 timestamp(3), tz timestamptz
);`
)

// oracleFields are the fields of the table. A name of the kind:shown form shows the column in that form.
func oracleFields() []collection.Field {
	const mood = `"Odd ""schema"."Mood"`
	labels := []string{"open", `pa"id`, "in,progress", "(x)", "NULL", `a\b`, ""}
	var fields []collection.Field
	for _, f := range []struct {
		kind  collection.Kind
		names []string
	}{
		{collection.Integer, []string{"id", "i2", "i4", "i8", "i8t", "big"}},
		{collection.Text, []string{"te.xt", "v", "nm", "note", `shor"ter`, "c"}},
		{"", []string{"other"}},
		{collection.Enum, []string{"mood", "moody"}},
		{collection.Boolean, []string{"yes"}},
		{collection.Numeric, []string{"num", "money", "amount"}},
		{collection.UUID, []string{"u"}},
		{collection.Date, []string{"d", "day"}},
		{collection.Timestamp, []string{"ts", "ts3"}},
		{collection.Timestamptz, []string{"tz"}},
	} {
		for _, name := range f.names {
			field := collection.Field{Name: name, Column: name, Filter: f.kind, Nullable: name != "id"}
			if f.kind == collection.Enum {
				field.SQLType, field.Labels = mood, labels
			}
			fields = append(fields, field)
		}
	}
	return fields
}

// TestFiltersEqualSQL compares Match with PostgreSQL's answer to the SQL of the same filter, for random rows and filters.
func TestFiltersEqualSQL(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	pgtest.Exec(t, conn, schemaOfOracles)
	pgtest.Exec(t, conn, "set timezone = 'UTC'; set datestyle = 'ISO'; set extra_float_digits = 1")
	start, comparisons, matches := time.Now(), 0, 0
	for i := range *histories {
		o := &oracle{T: t, conn: conn, seed: *firstSeed + uint64(i), collection: &collection.Collection{Name: "rows", Fields: oracleFields()}}
		o.rng = rand.New(rand.NewPCG(o.seed, 16))
		o.run()
		comparisons += o.comparisons
		matches += o.matches
	}
	t.Logf("%d tables from seed %d, %d comparisons, %d of them matches, %v", *histories, *firstSeed, comparisons, matches, time.Since(start).Round(time.Second))
}

// oracle is a random table and random filters over it.
type oracle struct {
	*testing.T
	conn                 *pgx.Conn
	seed                 uint64
	rng                  *rand.Rand
	collection           *collection.Collection
	hasInfinity          bool // of numeric, since PostgreSQL 14
	comparisons, matches int
}

func (o *oracle) run() {
	o.Helper()
	o.hasInfinity = o.conn.PgConn().ParameterStatus("server_version") >= "14"
	o.fill()
	var filters []*collection.Where
	var queries, meanings []string
	for range filtersOfTable {
		query, meaning := o.filter()
		w, err := collection.Parse(o.collection, query)
		if err != nil && strings.Contains(err.Error(), "is too much together") {
			continue
		}
		if err != nil {
			o.Fatalf("seed %d: parse %q: %v", o.seed, query.Encode(), err)
		}
		o.roundTrip(w)
		filters, queries, meanings = append(filters, w), append(queries, query.Encode()), append(meanings, meaning)
	}
	var previous []byte
	for data, want := range o.answers(filters, meanings) {
		want = o.agreed(queries, data, want)
		row := o.collection.ParseRow([]byte(data), math.MaxUint64)
		o.compare(filters, queries, row, data, want)
		if previous != nil { // as if an update had made this row of the previous one
			former := o.collection.ParseRow([]byte(data), 7).Former(o.was(previous, []byte(data)), 7)
			before := o.collection.ParseRow(previous, 7)
			for i, w := range filters {
				if w.Match(former) != w.Match(before) {
					o.Fatalf("seed %d: the filter %s differs for the former row of %s", o.seed, queries[i], previous)
				}
			}
		}
		previous = []byte(data)
	}
}

// agreed returns PostgreSQL's answers to the rendered SQL, which must be those to what the filters mean.
func (o *oracle) agreed(queries []string, data string, answers []*bool) []*bool {
	o.Helper()
	rendered, meant := answers[:len(queries)], answers[len(queries):]
	for i := range queries {
		if (rendered[i] != nil && *rendered[i]) != (meant[i] != nil && *meant[i]) {
			o.Fatalf("seed %d: the SQL of the filter means something else for %s: %s", o.seed, data, queries[i])
		}
	}
	return rendered
}

// compare compares the filters' results for a row, and what Rows say of them.
func (o *oracle) compare(filters []*collection.Where, queries []string, row collection.Row, data string, want []*bool) {
	o.Helper()
	var rows, unknown collection.Rows
	rows.Add(row)
	unknown.Add(row)
	unknown.Add(collection.Row{})
	for i, w := range filters {
		isWanted := want[i] != nil && *want[i]
		if w.Match(row) != isWanted {
			o.Fatalf("seed %d: got %v, PostgreSQL says the opposite\nfilter %s\ncanonical %s\nrow %s", o.seed, w.Match(row), queries[i], w.Canonical(), data)
		}
		if isWanted && !rows.MayMatch(w) || !unknown.MayMatch(w) {
			o.Fatalf("seed %d: Rows deny that the filter %s matches %s", o.seed, queries[i], data)
		}
		o.comparisons++
		if isWanted {
			o.matches++
		}
	}
}

func (o *oracle) roundTrip(w *collection.Where) {
	o.Helper()
	params, err := url.ParseQuery(w.Canonical())
	if err != nil {
		o.Fatal(err)
	}
	again, err := collection.Parse(o.collection, params)
	if err != nil || again.Canonical() != w.Canonical() {
		o.Fatalf("seed %d: parse the canonical text %s: got %s, %v", o.seed, w.Canonical(), again.Canonical(), err)
	}
}

// was returns what the log has of a row that was updated: the former values of filter fields that changed.
func (o *oracle) was(before, after []byte) []byte {
	o.Helper()
	var b, a map[string]json.RawMessage
	if json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil {
		o.Fatal("parse rows")
	}
	for name, value := range b {
		var text string
		if string(value) == string(a[name]) {
			delete(b, name)
		} else if runes := []rune(text); json.Unmarshal(value, &text) == nil && len([]rune(text)) > 1001 {
			runes = []rune(text)
			b[name], _ = json.Marshal(string(runes[:1001]))
		}
	}
	out, _ := json.Marshal(b)
	return out
}

// answers returns the rows, each with what PostgreSQL says of the filters' SQL, and then of their meanings.
func (o *oracle) answers(filters []*collection.Where, meanings []string) map[string][]*bool {
	o.Helper()
	p := &collection.Params{}
	asArray := o.rng.IntN(2) == 0
	if asArray {
		p.Name = func(k int) string { return fmt.Sprintf("($1::text[])[%d]", k) }
	}
	var conditions []string
	for _, w := range filters {
		conditions = append(conditions, "("+w.SQL(p)+")")
	}
	conditions = append(conditions, meanings...)
	var shown []string
	for _, f := range o.collection.Fields {
		switch name := (pgx.Identifier{f.Name}).Sanitize(); name {
		case `"other"`:
			shown = append(shown, `'{"id": 1}'::json as other`)
		case `"i8t"`:
			shown = append(shown, `n.i8t::text`)
		default:
			shown = append(shown, "n."+name)
		}
	}
	args := []any{pgx.QueryExecModeDescribeExec}
	if asArray {
		args = append(args, p.Values)
	} else {
		for _, v := range p.Values {
			args = append(args, v)
		}
	}
	rows, err := o.conn.Query(context.Background(), `select to_json(r)::text, array[`+strings.Join(conditions, ", ")+`]
		from public.rows n cross join lateral (select `+strings.Join(shown, ", ")+`) r`, args...)
	if err != nil {
		o.Fatalf("seed %d: %v", o.seed, err)
	}
	answers := map[string][]*bool{}
	var data string
	var result []*bool
	if _, err = pgx.ForEachRow(rows, []any{&data, &result}, func() error {
		answers[data] = slices.Clone(result)
		return nil
	}); err != nil {
		o.Fatalf("seed %d: %v", o.seed, err)
	}
	return answers
}

// fill replaces the rows of the table.
func (o *oracle) fill() {
	o.Helper()
	batch := &pgx.Batch{}
	batch.Queue("truncate public.rows")
	for i := range rowsOfTable {
		var columns, values []string
		var args []any
		for _, f := range o.collection.Fields {
			if f.Filter == "" {
				continue
			}
			value := pointer(o.value(f, true))
			if f.Nullable && o.rng.IntN(6) == 0 {
				value = nil
			}
			if f.Name == "id" {
				value = pointer(fmt.Sprint(i))
			}
			args = append(args, value)
			columns = append(columns, pgx.Identifier{f.Name}.Sanitize())
			values = append(values, fmt.Sprintf("$%d", len(args)))
		}
		batch.Queue("insert into public.rows ("+strings.Join(columns, ", ")+") values ("+strings.Join(values, ", ")+")", args...)
	}
	if err := o.conn.SendBatch(context.Background(), batch).Close(); err != nil {
		o.Fatalf("seed %d: %v", o.seed, err)
	}
}

func pointer[T any](v T) *T { return &v }

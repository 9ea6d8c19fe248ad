package collection_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/stream/collection"
)

// allKinds is a collection with a field of each kind, named like it.
func allKinds() *collection.Collection {
	c := &collection.Collection{Name: "things"}
	for _, kind := range []collection.Kind{collection.Text, collection.Enum, collection.Boolean, collection.Integer, collection.Numeric,
		collection.UUID, collection.Date, collection.Timestamp, collection.Timestamptz} {
		c.Fields = append(c.Fields, collection.Field{Name: string(kind), Column: string(kind), Filter: kind, Labels: []string{"open", "paid"}})
	}
	return c
}

func parseKinds(t testing.TB, query string) *collection.Where {
	t.Helper()
	params, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	w, err := collection.Parse(allKinds(), params)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return w
}

// Each error says what to write instead.
func TestErrors(t *testing.T) {
	const syntax = "; values with a comma, a parenthesis, a quote or a backslash are in double quotes"
	for _, test := range []struct{ name, value, want string }{
		{"where.colour", "red", `names "colour", by which clients cannot filter: the filter fields of things are text, enum, boolean, integer, numeric, uuid, date, timestamp, timestamptz`},
		{"where.", "red", `names "", by which clients cannot filter: the filter fields of things are text, enum, boolean, integer, numeric, uuid, date, timestamp, timestamptz`},
		{"where.text", "gt.a", `has the operator gt, but a field of the kind text has eq, neq, in, is; if it is a part of the text, write eq.gt.…`},
		{"where.text", "like.*a*", `has the operator like, but a field of the kind text has eq, neq, in, is; if it is a part of the text, write eq.like.…`},
		{"where.integer", "ilike.1", `has the operator ilike, but a field of the kind integer has eq, neq, gt, gte, lt, lte, in, is; if it is a part of the text, write eq.ilike.…`},
		{"where.boolean", "lt.true", `has the operator lt, but a field of the kind boolean has eq, neq, in, is; if it is a part of the text, write eq.lt.…`},
		{"where.text", "not.a", `needs an operator after not., as in not.in.(a,b); to compare with a text that begins with not., write eq.not.…`},
		{"where.text", "in.a", `must have a list such as in.(a,b) instead of "a"` + syntax},
		{"where.text", "in.(a", `must have a comma or a closing parenthesis instead of its end` + syntax},
		{"where.text", `in.(a"b)`, `must have a comma or a closing parenthesis instead of "\"b)"` + syntax},
		{"where.text", "in.(a)b", `goes on after its end with "b"`},
		{"where.text", `in.("a`, "has a double quote without its end"},
		{"where.text", "is.true", `has is."true": write is.null or not.is.null`},
		{"where.boolean", "is.unknown", `has is."unknown": write is.null, is.true or is.false`},
		{"where.text", "eq." + strings.Repeat("x", 1001), "has a value of 1001 bytes: at most 1000"},
		{"where.text", "eq.\xff", "has a value that is not UTF-8, or has a zero byte"},
		{"where.text", "eq.a\x00", "has a value that is not UTF-8, or has a zero byte"},
		{"where.text", "in.(" + strings.Repeat("a,", 64) + "a)", "has too many values: a list has at most 64"},
		{"where.enum", "lost", `has the value "lost": the field's values are open, paid`},
		{"where.boolean", "t", `has the value "t", which is no boolean: write one such as true`},
		{"where.integer", "9223372036854775808", `has the value "9223372036854775808", which is no integer: write one such as 100, from -9223372036854775808 to 9223372036854775807`},
		{"where.integer", "1.0", `has the value "1.0", which is no integer: write one such as 100, from -9223372036854775808 to 9223372036854775807`},
		{"where.integer", "in.(1,)", `has the value "", which is no integer: write one such as 100, from -9223372036854775808 to 9223372036854775807`},
		{"where.numeric", "1e401", "has a number with too many digits: at most 400 before the point, and 400 after it"},
		{"where.numeric", "1e-401", "has a number with too many digits: at most 400 before the point, and 400 after it"},
		{"where.numeric", "1e9999999", `has the value "1e9999999", which is no numeric: write one such as 12.50`},
		{"where.numeric", ".5", `has the value ".5", which is no numeric: write one such as 12.50`},
		{"where.uuid", "{0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f}", `has the value "{0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f}", which is no uuid: write one such as 0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f`},
		{"where.date", "2026-02-29", `has the value "2026-02-29", which is no date: write one such as 2026-01-31`},
		{"where.date", "31.1.2026", `has the value "31.1.2026", which is no date: write one such as 2026-01-31`},
		{"where.timestamp", "2026-01-31T12:30:00Z", `has the value "2026-01-31T12:30:00Z", which is no timestamp: write one such as 2026-01-31T12:30:00 (without Z or an offset, and with at most microseconds)`},
		{"where.timestamptz", "2026-01-31T12:30:00", `has the value "2026-01-31T12:30:00", which is no timestamptz: write one such as 2026-01-31T12:30:00Z (with Z or an offset, and at most microseconds)`},
		{"where.timestamptz", "2026-01-31T12:30:00 02:00", `has the value "2026-01-31T12:30:00 02:00", which is no timestamptz: write one such as 2026-01-31T12:30:00Z (in a URL, + is %2B)`},
		{"any", "text.eq.a", `must have a group such as (status.eq.open,total.gt.100) instead of "text.eq.a"` + syntax},
		{"any", "()", `must have a field, an operator and a value, such as status.eq.open instead of ")"` + syntax},
		{"any", "(text)", `must have a field, an operator and a value, such as status.eq.open instead of ")"` + syntax},
		{"any", "(text.eq.a", `must have a comma or a closing parenthesis instead of its end` + syntax},
		{"any", "(text.eq.a),(text.eq.b)", `goes on after its end with ",(text.eq.b)"`},
		{"any", "(and(or(and(or(text.eq.a)))))", "has groups in groups: at most 4"},
		{"any", "(" + strings.Repeat("integer.eq.1,", 64) + "integer.eq.1)", "is too much: a filter has at most 64 comparisons"},
		{"any", "(" + strings.Repeat("text.eq."+strings.Repeat("x", 999)+",", 17) + "text.eq.1)", "is too much together with the other conditions: at most 16384 bytes"},
	} {
		_, err := collection.Parse(allKinds(), url.Values{test.name: {test.value}})
		var wrong *collection.ParamError
		if !errors.As(err, &wrong) || wrong.Param != test.name || wrong.Detail != test.want {
			t.Errorf("%s=%.60s:\ngot  %v\nwant parameter %s %s", test.name, test.value, err, test.name, test.want)
		}
	}
	_, err := collection.Parse(&collection.Collection{Name: "plain", Fields: []collection.Field{{Name: "a"}}}, url.Values{"where.a": {"1"}})
	if want := "parameter where.a names a field, but the collection plain has none that clients may filter by"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Values in forms that PostgreSQL would accept are refused if they could mean something else, or nothing.
func TestStrictValues(t *testing.T) {
	for kind, values := range map[collection.Kind]string{
		collection.Boolean:     "t,TRUE,1,yes,on,,true ",
		collection.Integer:     "+1,1_000, 1,1 ,0x10,1e3,--1,-,NaN",
		collection.Numeric:     "+1,1.,.5,1_0, 1,1e,1e+,1e1.5,e5,-,--1,nan,inf,0x1,1e+-5,1.5.5,Infinity ",
		collection.UUID:        "0f0e1a569d074d4e8a6c0d2b3a4c5e6f,0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6g,0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f0",
		collection.Date:        "2026-1-1,20260101,2026/01/01,0000-01-01,2026-13-01,2026-00-10,2026-01-32,today,now,Infinity,26-01-01,02026-01-01,2026-01-01T00:00,4715-01-01 BC,4714-11-23 BC,5874898-01-01,2026-01-01BC,2025-02-29",
		collection.Timestamp:   "2026-01-01T24:00:00,2026-01-01T12,2026-01-01T12:60,2026-01-01T12:00:60,2026-01-01T12:00:00.,2026-01-01T12:00:00.1234567,294277-01-01,2026-01-01T,now,2026-01-01T12:00:00+00",
		collection.Timestamptz: "2026-01-01,2026-01-01T12:00:00z,2026-01-01T12:00:00+16:00,2026-01-01T12:00:00+1,2026-01-01T12:00:00 UTC,2026-01-01T12:00:00+0100,294277-01-01T00:00:00+00:00,4714-11-24T00:00:00+01:00 BC,now",
	} {
		for _, value := range strings.Split(values, ",") {
			if _, err := collection.Parse(allKinds(), url.Values{"where." + string(kind): {"eq." + value}}); err == nil {
				t.Errorf("%s %q: accepted", kind, value)
			}
		}
	}
}

func TestHasOperator(t *testing.T) {
	for value, want := range map[string]bool{"open": false, "eq.open": true, "in.(a)": true, "not.is.null": true, "not.a": true, "v1.2": false, "like.a": false, "eq": false, "": false} {
		if got := collection.HasOperator(value); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}

// Filters that say the same have one canonical text.
func TestCanonical(t *testing.T) {
	for _, same := range [][]string{
		{"where.text=a", "where.text=eq.a", "where.text=in.(a)", "where.text=not.neq.a", "any=(text.eq.a)", `any=(and(text.in.("a",a)))`, "where.text=a&where.text=a"},
		{"where.integer=gt.1", "where.integer=not.lte.1", "any=(integer.gt.01)", "any=(not.and(integer.lte.1))"},
		{"where.text=neq.a&where.integer=7", "where.integer=7&where.text=not.in.(a)", "any=(and(text.not.eq.a,integer.eq.7))", "any=(not.or(text.eq.a,integer.neq.7))"},
		{"any=(text.eq.a,integer.eq.1)", "any=(integer.eq.1,text.eq.a,integer.eq.1)", "any=(integer.eq.1,or(text.eq.a))"},
		{"where.numeric=1.50", "where.numeric=15e-1", "where.numeric=001.5"},
		{"where.timestamptz=2026-01-01T01:00:00%2B01:00", "where.timestamptz=2026-01-01T00:00Z", "where.timestamptz=2026-01-01%2000:00:00.000Z"},
		{"where.uuid=0F0E1A56-9d07-4d4e-8a6c-0d2b3a4c5e6f", "where.uuid=0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f"},
		{"where.text=in.(b,a)", "where.text=in.(a,b,a)"},
	} {
		want := ""
		for i, query := range same {
			got := parseKinds(t, query).Canonical()
			if i == 0 {
				want = got
			}
			if got != want {
				t.Errorf("%s: got %s, want %s", query, got, want)
			}
		}
	}
}

// What events of a time before a field was a filter field cannot say matches every filter.
func TestUnknownValues(t *testing.T) {
	c := orders()
	c.Fields[3].FilterSince = 100
	for _, test := range []struct {
		query, data, was string
		xid              uint64
		after, before    bool
	}{
		{"where.total=1", `{"id":1,"total":2}`, ``, 99, false, true},
		{"where.total=1", `{"id":1,"total":2}`, `{"total":3}`, 99, false, false},
		{"where.total=1", `{"id":1,"total":2}`, ``, 100, false, false},
		{"where.total=2", `{"id":1,"total":2}`, `{"total":null}`, 100, true, false},
		{"where.total=is.null", `{"id":1,"total":2}`, `{"total":null}`, 100, false, true},
		{"where.total=1&where.id=2", `{"id":1}`, ``, 99, false, false},
		{"where.total=neq.1", `{"id":1}`, ``, 99, true, true},
		{"where.total=1", `{"id":1}`, ``, 99, true, true},
		{"where.total=1", `{"id":1}`, ``, 100, false, false},
		{"where.total=is.null", `{"id":1}`, ``, 100, false, false},
		{"where.total=not.is.null", `{"id":1}`, ``, 100, false, false},
		{"where.status=neq.a", `{"id":1,"status":7}`, `{"status":"b"}`, 100, false, true},
	} {
		w := parse(t, test.query)
		row := c.ParseRow([]byte(test.data), test.xid)
		former := row.Former([]byte(test.was), test.xid)
		after, before := w.Match(row), w.Match(former)
		var rows collection.Rows
		rows.Add(row)
		rows.Add(former)
		if (after || before) && !rows.MayMatch(w) {
			t.Errorf("%s, %s, was %s: Rows deny a match", test.query, test.data, test.was)
		}
		if after != test.after || before != test.before {
			t.Errorf("%s, %s, was %s, xid %d: got %v, before %v", test.query, test.data, test.was, test.xid, after, before)
		}
		if !w.Match(collection.Row{}) || !w.Match(collection.Row{}.Former(nil, test.xid)) {
			t.Error("an unknown row does not match", test.query)
		}
	}
}

func ExampleParse() {
	c := &collection.Collection{Name: "orders", Fields: []collection.Field{
		{Name: "status", Column: "status", Filter: collection.Text},
		{Name: "total", Column: "total", Filter: collection.Numeric},
	}}
	w, _ := collection.Parse(c, url.Values{"where.status": {"in.(open,paid)"}, "any": {"(total.gte.100,total.is.null)"}})
	p := &collection.Params{}
	fmt.Println(w.SQL(p))
	fmt.Println(p.Values)
	fmt.Println(w.Match(c.ParseRow([]byte(`{"status":"open","total":99.99}`), 0)))
	fmt.Println(w.Match(c.ParseRow([]byte(`{"status":"open","total":100.00}`), 0)))
	// Output:
	// (n."total" >= $1::pg_catalog.numeric or n."total" is null) and n."status" = any($2::pg_catalog.text[])
	// [100 {"open","paid"}]
	// false
	// true
}

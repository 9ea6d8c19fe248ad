package collection_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/pgherald/pgherald/stream/collection"
)

// checkFilter parses a filter. It is refused with a *ParamError, or its canonical text stands for it.
func checkFilter(t *testing.T, params url.Values) {
	t.Helper()
	c := allKinds()
	w, err := collection.Parse(c, params)
	if err != nil {
		var wrong *collection.ParamError
		if !errors.As(err, &wrong) || !collection.IsParam(wrong.Param) || !utf8.ValidString(wrong.Detail) || len(wrong.Detail) > 1000 {
			t.Fatalf("got error %v, want a short *ParamError", err)
		}
		return
	}
	p := &collection.Params{}
	sql := w.SQL(p)
	for _, v := range p.Values {
		if !utf8.ValidString(v) || bytes.IndexByte([]byte(v), 0) >= 0 {
			t.Fatalf("parameter %q of %s is no text", v, sql)
		}
	}
	row := c.ParseRow([]byte(`{"text":"a","enum":"open","boolean":true,"integer":1,"numeric":1.5,"uuid":null,"date":"2026-01-31"}`), 0)
	canonical := w.Canonical()
	if len(canonical) > 16<<10 {
		return
	}
	again, err := url.ParseQuery(canonical)
	if err != nil {
		t.Fatalf("canonical text %s: %v", canonical, err)
	}
	same, err := collection.Parse(c, again)
	if err != nil || same.Canonical() != canonical || same.Match(row) != w.Match(row) || same.SQL(&collection.Params{}) != sql {
		t.Fatalf("canonical text %s: %v, then %s", canonical, err, same.Canonical())
	}
}

func FuzzParse(f *testing.F) {
	for _, query := range []string{
		"where.text=in.(a,%22b,c%22)&where.integer=not.gt.1&any=(numeric.lt.1e3,not.and(text.is.null,boolean.is.true))",
		"where.timestamptz=gte.0044-03-15T00:00:00.5%2B00:00+BC", "where.timestamp=infinity", "where.date=10000-01-01",
		"where.uuid=0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f", "where.numeric=-0.001", "where.enum=neq.open", "any=(%22te.xt%22.eq.a)", "where.text=not.in.()",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if params, err := url.ParseQuery(query); err == nil {
			checkFilter(t, params)
		}
	})
}

func FuzzGroup(f *testing.F) {
	for _, group := range []string{"(text.eq.a,integer.gt.1)", `("text".in.("a\"b",c),or(integer.not.in.(1,2)))`, "(not.or(enum.open,date.is.null))", "(", `("`, `("\`} {
		f.Add(group)
	}
	f.Fuzz(func(t *testing.T, group string) { checkFilter(t, url.Values{"any": {group}}) })
}

// FuzzValue looks for values of a kind that have a canonical text which means another value.
func FuzzValue(f *testing.F) {
	for _, v := range []string{"1.50", "-1e10", "NaN", "0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f", "2026-02-28", "2026-01-31T12:30:00.000001-15:59", "0001-12-31 BC", "9223372036854775807"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, field := range allKinds().Fields {
			checkFilter(t, url.Values{"where." + field.Name: {"eq." + v}})
		}
	})
}

func FuzzParseOrder(f *testing.F) {
	for _, text := range []string{"id", "total.desc,id.asc", `"status".desc`, "id,id", ",", `"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		order, err := collection.ParseOrder(orders(), text)
		var wrong *collection.ParamError
		if err != nil && (!errors.As(err, &wrong) || wrong.Param != "order" || !utf8.ValidString(wrong.Detail)) {
			t.Fatalf("got error %v, want a *ParamError", err)
		}
		if err == nil && len(order) > 0 {
			order.After(make([]*string, len(order)), &collection.Params{})
		}
	})
}

// FuzzParseRow compares the row with what encoding/json reads.
func FuzzParseRow(f *testing.F) {
	for _, data := range []string{`{"id":1,"status":"o\u0070en"}`, ` { "note" : {"status":"no"} , "total" : -7 } `, `{"id":1,"id":2}`, `{"st\u0061tus":"\ud83d\ude00"}`, `{"id":"12"}`, `[1]`, `{`, `{"id":1,}`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		row := orders().ParseRow(data, 0)
		var want map[string]json.RawMessage
		if !utf8.Valid(data) || json.Unmarshal(data, &want) != nil {
			return
		}
		var status *string
		isText := json.Unmarshal(want["status"], &status) == nil && status != nil
		if isText && (len(*status) > 1000 || bytes.ContainsAny([]byte(*status), "\x00")) {
			return
		}
		if _, present := want["status"]; !present || !isText && string(want["status"]) != "null" {
			if parse(t, "where.status=is.null").Match(row) || parse(t, "where.status=not.is.null").Match(row) {
				t.Fatal("an absent text matches")
			}
			return
		}
		query := url.Values{"where.status": {"is.null"}}
		if isText {
			query.Set("where.status", "eq."+*status)
		}
		if !parse(t, query.Encode()).Match(row) {
			t.Fatalf("the row %s does not have the status %q", data, query.Get("where.status"))
		}
	})
}

package stream

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseFilterRejects(t *testing.T) {
	many := make([]string, 65)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	fields := url.Values{}
	for _, v := range many[:17] {
		fields.Set("where."+v, "v")
	}
	for name, test := range map[string]struct {
		params map[string][]string
		want   string
	}{
		"empty":                {url.Values{"types": {""}}, "types has an empty type"},
		"empty type in a list": {url.Values{"types": {"a,,b"}}, "types has an empty type"},
		"trailing comma":       {url.Values{"types": {"a", ""}}, "types has an empty type"},
		"empty key":            {url.Values{"key": {"a", ""}}, "key is empty"},
		"no value":             {url.Values{"key": {}}, "key has no value"},
		"no field":             {url.Values{"where.": {"v"}}, "where. names no field"},
		"many keys":            {url.Values{"key": many}, "key has 65 values, which are too many: at most 64"},
		"many types":           {url.Values{"types": {strings.Join(many, ",")}}, "types has 65 values"},
		"many fields":          {fields, "conditions on at most 16 fields"},
		"long key":             {url.Values{"key": {strings.Repeat("x", 1001)}}, "key has a value of 1001 bytes: at most 1000"},
		"long value":           {url.Values{"where.f": {strings.Repeat("x", 1001)}}, "where.f has a value of 1001 bytes"},
		"long field":           {url.Values{"where." + strings.Repeat("x", 1001): {"v"}}, "names a field of more than 1000 bytes"},
	} {
		_, err := ParseFilter(test.params, nil)
		var wrong *ParamError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want %q", name, err, test.want)
		}
	}
}

// entryOf returns an entry of one event, with its fields.
func entryOf(e Event) *entry {
	x := &entry{}
	x.add(&Transaction{Events: []Event{e}})
	x.parseFields()
	return x
}

func matches(t *testing.T, query string, e Event) bool {
	t.Helper()
	params, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFilter(params, nil)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return f.judge(entryOf(e), 0) != 0
}

func TestFilterMatches(t *testing.T) {
	e := Event{Type: "b", Key: "k1", Data: json.RawMessage(`{"s":"HQ, 2nd","n":1.50,"t":true,"z":null,"e":"","q":"a\"\u00e9é",
		"o":{"s":"x"},"l":["x"],"d":"old","d":"new","where.x":"dot","long":"` + strings.Repeat("x", 1001) + `"}`)}
	for query, want := range map[string]bool{
		"":                           true,
		"types=b":                    true,
		"types=a":                    false,
		"types=a&types=c,b":          true,
		"key=k1":                     true,
		"key=k":                      false,
		"key=k2&key=k1":              true,
		"types=b&key=k2":             false,
		"where.s=HQ,+2nd":            true,
		"where.s=HQ":                 false,
		"where.s=HQ&where.s=HQ,+2nd": true,
		"where.n=1.50":               true,
		"where.n=1.5":                false,
		"where.t=true":               true,
		"where.z=":                   true,
		"where.z=null":               false,
		"where.e=":                   true,
		"where.absent=":              false,
		"where.q=a%22%C3%A9%C3%A9":   true,
		"where.o=":                   false,
		"where.o=x":                  false,
		"where.l=x":                  false,
		"where.d=old":                false,
		"where.d=new":                true,
		"where.where.x=dot":          true,
		"where.long=":                false,
		"where.n=1.50&where.t=true":  true,
		"where.n=1.50&where.t=no":    false,
	} {
		if got := matches(t, query, e); got != want {
			t.Errorf("%q matches: got %v", query, got)
		}
	}
	for _, data := range []string{`[{"s":"x"}]`, `"s"`, `null`, `1`} {
		if matches(t, "where.s=x", Event{Data: json.RawMessage(data)}) {
			t.Errorf("a condition matches %s, which has no fields", data)
		}
	}
}

func TestFilterMatchesAudiences(t *testing.T) {
	for _, test := range []struct {
		grants, audience []string
		want             bool
	}{
		{nil, nil, true},
		{nil, []string{}, false},
		{nil, []string{"user:1"}, false},
		{nil, []string{""}, false},
		{nil, []string{"user:1", "*"}, true},
		{[]string{"*"}, []string{"user:1"}, false},
		{[]string{"user:1"}, nil, true},
		{[]string{"user:1"}, []string{}, false},
		{[]string{"role:x", "user:1"}, []string{"user:2", "user:1"}, true},
		{[]string{"role:x", "user:1"}, []string{"user:2", "role:y"}, false},
		{[]string{"user:1"}, []string{"user:10"}, false},
	} {
		f := Filter{}.WithGrants(test.grants)
		if got := f.judge(entryOf(Event{Type: "a", Audience: test.audience}), 0) != 0; got != test.want {
			t.Errorf("grants %q match audience %q: got %v", test.grants, test.audience, got)
		}
	}
}

// Subscriptions with the same canonical text share their bytes, so filters that differ must not have
// the same.
func TestCanonicalFilters(t *testing.T) {
	text := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "a,b", "a&key=b", "=", "%", "types"}), rapid.StringN(1, 5, 20))
	params := rapid.MapOfN(rapid.SampledFrom([]string{"types", "key", "where.a", "where.b", "where.a&key"}), rapid.SliceOfN(text, 1, 3), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		one, two := params.Draw(t, "one"), params.Draw(t, "two")
		f, errF := ParseFilter(one, nil)
		g, errG := ParseFilter(two, nil)
		if errF != nil || errG != nil {
			t.Skip("rejected")
		}
		if same := cmp.Equal(valueSets(one), valueSets(two)); same != (f.canonical() == g.canonical()) {
			t.Fatalf("canonical texts %q and %q of %v and %v", f.canonical(), g.canonical(), one, two)
		}
		shuffled := maps.Clone(one)
		for name, values := range shuffled {
			shuffled[name] = rapid.Permutation(append(values, values[0])).Draw(t, "order")
		}
		if h, err := ParseFilter(shuffled, nil); err != nil || h.canonical() != f.canonical() {
			t.Fatalf("canonical texts %q and %q of the same selection, %v", f.canonical(), h.canonical(), err)
		}
	})
}

// valueSets returns the sets that parameters stand for.
func valueSets(params map[string][]string) map[string]map[string]bool {
	out := make(map[string]map[string]bool)
	for name, values := range params {
		out[name] = make(map[string]bool)
		if name == "types" {
			values = strings.Split(strings.Join(values, ","), ",")
		}
		for _, v := range values {
			out[name][v] = true
		}
	}
	return out
}

func FuzzParseFilter(f *testing.F) {
	for _, query := range []string{"types=a,b&key=x&key=y&where.a=1", "where.=x", "types=", "since=k3f9-1&where.a.b=%00", "key=%ff",
		"collection=orders&where.status=in.(a,b)&any=(total.gt.1,id.eq.2)&key=7", "q.a=collection:orders%3Bwhere.status=%2541&q.b=collection:customers"} {
		f.Add(query)
	}
	event, set := entryOf(Event{Type: "a", Key: "x", Data: json.RawMessage(`{"a":1}`)}), shop(f)
	event.parseChanges(set)
	f.Fuzz(func(t *testing.T, query string) {
		params, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		filter, err := ParseFilter(params, set)
		var wrong *ParamError
		if err != nil {
			if !errors.As(err, &wrong) || !IsFilterParam(wrong.Param) {
				t.Fatalf("got error %v, want a *ParamError", err)
			}
			return
		}
		filter.judge(event, 0)
		if filter.criteria == nil {
			return
		}
		again, err := url.ParseQuery(filter.criteria.text())
		if err != nil {
			t.Fatalf("text %q: %v", filter.criteria.text(), err)
		}
		if same, err := ParseFilter(again, set); err != nil || same.canonical() != filter.canonical() {
			t.Fatalf("text %q becomes %q, %v", filter.criteria.text(), same.criteria.text(), err)
		}
	})
}

// parsePayload agrees with encoding/json about every object, and never panics.
func FuzzFields(f *testing.F) {
	for _, data := range []string{`{"a":"x","b":null,"c":[1],"a":2}`, `[]`, `{`, `{"a":"\ud800"}`, `{"a" :`, ``, `{"":"" }`, "{\"a\":\"x\ny\"}"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fields := parsePayload(data)
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil {
			return
		}
		names := make(map[string]bool)
		for _, field := range slices.Backward(fields) {
			if names[field.name] {
				continue
			}
			names[field.name] = true
			raw, ok := want[field.name]
			if !ok {
				t.Fatalf("found field %q, which the object does not have", field.name)
			}
			if diff := cmp.Diff(newField(field.name, raw), field, cmp.AllowUnexported(field)); diff != "" {
				t.Fatal(diff)
			}
		}
		if len(names) != len(want) {
			t.Fatalf("found %d fields, want %d", len(names), len(want))
		}
	})
}

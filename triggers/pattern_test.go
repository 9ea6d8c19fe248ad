package triggers

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, schema, table string
		want                   bool
	}{
		{"*", "public", "orders", true},
		{"*", "Sales", "Order Items", true},
		{"public.*", "public", "orders", true},
		{"public.*", "publics", "orders", false},
		{"public.order?", "public", "orders", true},
		{"public.order?", "public", "order", false},
		{"public.?rders", "public", "örders", true},
		{"PUBLIC.Orders", "public", "orders", true},
		{"public.*_log", "public", "a_log", true},
		{"public.*_log", "public", "a_logs", false},
		{`public."*"`, "public", "orders", false},
		{`public."*"`, "public", "*", true},
		{`"Order.Items".*`, "Order.Items", "x\ny", true},
		{"public.a.b", "public", "a", false},
	} {
		p, err := parsePattern(c.pattern)
		if got := err == nil && p.matches(Name{c.schema, c.table}); got != c.want {
			t.Errorf("%s matches %s.%s: %v (%v), want %v", c.pattern, c.schema, c.table, got, err, c.want)
		}
	}
}

func TestChoose(t *testing.T) {
	for want, names := range map[string][]string{
		"name the schema too, as in public.orders":                                          {"orders"},
		"name at least one table, as in public.orders":                                      {},
		"table a.b is listed, and !a.* excludes it: remove one of them":                     {"*", "!a.*", "a.b"},
		"!a.b excludes tables of a pattern, and there is none: add one, such as 'public.*'": {"!a.b"},
	} {
		if _, err := Choose(names); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", names, err, want)
		}
	}
	spec, err := Choose([]string{"b.c", " a.* ", "!a.x", "b.c"})
	if err != nil || len(spec.Tables) != 1 || len(spec.Patterns) != 1 || len(spec.Patterns[0].Exclude) != 1 {
		t.Errorf("got %+v, %v", spec, err)
	}
}

func TestLooksSensitive(t *testing.T) {
	for name, want := range map[string]bool{
		"password": true, "password_hash": true, "userPassword": true, "userpassword": true, "PWD": true, "apiKey": true, "api_key2": true,
		"APIKey": true, "creditCardNumber": true, "credit_card": true, "iban": true, "refresh_tokens": true, "token": true, "ssn": true,
		"secretary": false, "tokenizer": false, "hashtag": false, "salty": false, "key": false, "card": false, "status": false, "spin": false,
		"company": false, "": false,
	} {
		if got := looksSensitive(name); got != want {
			t.Errorf("%q looks sensitive: %v, want %v", name, got, want)
		}
	}
}

func TestLabels(t *testing.T) {
	tables := func(names ...Name) (list []Table) {
		for _, n := range names {
			list = append(list, Table{Name: n})
		}
		return list
	}
	long := "a_table_with_a_name_of_sixty_three_bytes_which_postgresql_allows"[:63]
	got := labelTables(tables(Name{"public", "orders"}, Name{"sales", "orders"}, Name{"Old Sales", "orders"}, Name{"sales", "InvoiceLine"},
		Name{"public", "2fa"}, Name{"public", "HTTPLog"}, Name{"public", "http_log"}, Name{"public", long}))
	want := map[Name]string{
		{"public", "orders"}: "orders", {"sales", "orders"}: "sales.orders", {"Old Sales", "orders"}: "old_sales.orders",
		{"sales", "InvoiceLine"}: "invoice_line", {"public", "2fa"}: "t2fa", {"public", "http_log"}: "http_log",
		{"public", "HTTPLog"}: "http_log_", {"public", long}: "a_table_with_a_name_of_sixty_three_bytes__",
	}
	for name, label := range got {
		if label != want[name] && (len(label) != len(want[name])+8 || label[:len(want[name])] != want[name]) {
			t.Errorf("%s: %q, want %q", name, label, want[name])
		}
		if !isEventType(label + "_created") {
			t.Errorf("%s: %s_created is no event type", name, label)
		}
	}
}

// The hash of a spec without patterns must not change with the program, or it would look like another state.
func TestHashOfPatterns(t *testing.T) {
	all, err := Choose([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	some, err := Choose([]string{"*", "!public.audit"})
	if err != nil {
		t.Fatal(err)
	}
	if all.hash() == some.hash() {
		t.Error("an exclusion does not change the hash")
	}
	spec, err := Parse([]byte("tables: [{ name: a.b, on: { insert: c } }]"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(spec.Tables)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"Name":{"Schema":"a","Table":"b"},"Key":null,"Joins":null,"Insert":[{"Type":"c","When":"","Key":"","Payload":null,"Audience":""}],` +
		`"Update":null,"Delete":null,"Truncate":{"Type":"","AsDeletes":false},"AbortOnError":false,"BigintAsText":false}]`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("content of a spec (-want +got):\n%s", diff)
	}
}

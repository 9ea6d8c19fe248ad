package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// describedSales is the answer of /api/collections for scenarios with an order.
const describedSales = `{"collections":[{"name":"sales","table":"public.sales","key":["id"],"types":["order_updated"],` +
	`"fields":[{"name":"id","type":"bigint","nullable":false},{"name":"v","type":"text","nullable":true}],` +
	`"filter":[{"name":"id","kind":"integer","operators":["eq"]},{"name":"v","kind":%q,"operators":["eq"]%s}]}]}`

// sale is a row: its key, and its value as JSON.
type sale struct{ key, v string }

// newSale returns a row. An underscore in its value stands for a space.
func newSale(key, v string) sale { return sale{key, strings.ReplaceAll(v, "_", " ")} }

// salesOf parses rows in the form KEY=VALUE.
func salesOf(text string) []sale {
	var rows []sale
	for _, item := range strings.Fields(text) {
		key, v, _ := strings.Cut(item, "=")
		rows = append(rows, newSale(key, v))
	}
	return rows
}

func (s sale) row() string { return fmt.Sprintf(`{"id":%s,"v":%s}`, s.key, s.v) }

// window is a scenario of the first rows of a table, in an order. Each transaction gives another state of the table.
type window struct {
	name, rule   string
	kind, labels string // of the field v
	order        string
	limit        int
	table        string      // all rows in their order, at first
	changes      [][2]string // the events of a transaction, and all rows after it
}

// scenario builds the scenario. The server lists the present table, with a snapshot that has all transactions
// that were sent. A client may ask for more rows than it shows, and may open a stream at the cursor of each list.
func (w window) scenario() Scenario {
	tables := [][]sale{salesOf(w.table)}
	for _, change := range w.changes {
		tables = append(tables, salesOf(change[1]))
	}
	s := Scenario{
		Name: w.name, Rule: w.rule,
		Start: Start{Open: "collection", Collection: "sales", Order: w.order, Limit: w.limit},
		Other: func(e *Exchange) {
			if e.path() == "collections" {
				e.JSON(fmt.Sprintf(describedSales, w.kind, w.labels))
				return
			}
			w.list(e, tables)
		},
	}
	for _, table := range tables {
		if w.limit > 0 {
			table = table[:min(w.limit, len(table))]
		}
		rows, keys := make(map[string]string), []string{}
		for _, sale := range table {
			rows[sale.key], keys = sale.row(), append(keys, sale.key)
		}
		s.Rows, s.Keys = append(s.Rows, rows), append(s.Keys, keys)
	}
	s.Stream = slices.Repeat([]Step{w.stream}, 3*len(tables))
	return s
}

// list answers with the first rows of the table.
func (w window) list(e *Exchange, tables [][]sale) {
	query := e.r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if e.path() != "collections/sales" || query.Get("order") != w.order || err != nil || limit < w.limit {
		e.fail("it requested %s with order=%s and limit=%s, and wants %d rows", e.path(), query.Get("order"), query.Get("limit"), w.limit)
		e.Refuse(http.StatusBadRequest)
		return
	}
	version := e.version(0)
	table, next := tables[version], "null"
	after, _ := strconv.Atoi(query.Get("after"))
	table = table[min(after, len(table)):]
	if len(table) > limit {
		table, next = table[:limit], strconv.Quote(strconv.Itoa(after+limit))
	}
	rows, keys := []string{}, []string{}
	for _, sale := range table {
		rows, keys = append(rows, sale.row()), append(keys, strconv.Quote(sale.key))
	}
	e.JSON(fmt.Sprintf(`{"rows":[%s],"keys":[%s],"cursor":"c%d","snapshot":"%d:%[4]d:","next":%[5]s}`,
		strings.Join(rows, ","), strings.Join(keys, ","), version, 1001+version, next))
}

// stream sends the transactions after the cursor.
func (w window) stream(e *Exchange) {
	first, err := strconv.Atoi(strings.TrimPrefix(e.Cursor(), "c"))
	if err != nil {
		e.fail("it opened the stream after the cursor %q", e.Cursor())
		return
	}
	e.Send(resumed(e.Cursor()))
	for n := first; n < len(w.changes); n++ {
		events := strings.Fields(w.changes[n][0])
		frames := ""
		for i, event := range events {
			key, v, isPut := strings.Cut(event, "=")
			members := `"collection":"sales","op":"delete","key":"` + key + `"`
			if isPut {
				members = fmt.Sprintf(`"data":%s,"collection":"sales","op":"update","key":%q`, newSale(key, v).row(), key)
			}
			frame := fmt.Sprintf(`data: {"id":%d,"type":"order_updated",%s,"xid":"%d","timestamp":1764000000000}`+"\n\n", 10*n+i+1, members, 1001+n)
			if i == len(events)-1 {
				frame = withID(fmt.Sprintf("c%d", n+1), frame)
			}
			frames += frame
		}
		e.version(n + 1)
		e.Send(frames)
	}
	e.Hold()
}

// orderScenarios test collections with an order or a limit.
func orderScenarios() []Scenario {
	var all []Scenario
	for _, w := range windows() {
		all = append(all, w.scenario())
	}
	return all
}

func windows() []window {
	return []window{
		{
			name: "window", rule: "a limit shows the first rows; they enter it when others leave, and leave it when others enter",
			kind: "numeric", order: "v.desc", limit: 2,
			table: "5=50 4=40 3=30 2=20 1=10",
			changes: [][2]string{
				{"6=45", "5=50 6=45 4=40 3=30 2=20 1=10"},
				{"5", "6=45 4=40 3=30 2=20 1=10"},
				{"6=15", "4=40 3=30 2=20 6=15 1=10"},
				{"1=99", "1=99 4=40 3=30 2=20 6=15"},
				{"7=0", "1=99 4=40 3=30 2=20 6=15 7=0"},
				{"1 4 3", "2=20 6=15 7=0"},
				{"7=16.5", "2=20 7=16.5 6=15"},
				{"8=1 2", "7=16.5 6=15 8=1"},
			},
		},
		{
			name: "window-ties", rule: "equal rows are in the order of the key, in the direction of the last field; nulls come first in descending order",
			kind: "integer", order: "v.desc", limit: 3,
			table: "9=5 3=5 2=1",
			changes: [][2]string{
				{"10=5", "10=5 9=5 3=5 2=1"},
				{"2=null", "2=null 10=5 9=5 3=5"},
				{"10=null", "10=null 2=null 9=5 3=5"},
				{"2=5", "10=null 9=5 3=5 2=5"},
				{"10", "9=5 3=5 2=5"},
			},
		},
		{
			name: "window-by-key", rule: "without an order the key decides, as a number if it is one",
			kind: "integer", limit: 2,
			table:   "9=1 10=1 100=1",
			changes: [][2]string{{"11=1", "9=1 10=1 11=1 100=1"}, {"9", "10=1 11=1 100=1"}, {"2=1", "2=1 10=1 11=1 100=1"}},
		},
		{
			name: "order-numbers", rule: "numbers are compared exactly, also as texts; NaN is above all others",
			kind: "numeric", order: "v",
			table: `1=-10.5 2="9007199254740992" 3="9007199254740993"`,
			changes: [][2]string{
				{`4=-10.25 5="NaN"`, `1=-10.5 4=-10.25 2="9007199254740992" 3="9007199254740993" 5="NaN"`},
				{`1="Infinity" 6="-Infinity"`, `6="-Infinity" 4=-10.25 2="9007199254740992" 3="9007199254740993" 1="Infinity" 5="NaN"`},
				{`4="9007199254740994" 6=0`, `6=0 2="9007199254740992" 3="9007199254740993" 4="9007199254740994" 1="Infinity" 5="NaN"`},
			},
		},
		{
			name: "order-enum", rule: "an enum is in the order of its labels",
			kind: "enum", labels: `,"labels":["low","high","extreme"]`, order: "v.desc",
			table: `1="high" 2="low"`,
			changes: [][2]string{
				{`3="extreme"`, `3="extreme" 1="high" 2="low"`},
				{`2="extreme"`, `3="extreme" 2="extreme" 1="high"`},
			},
		},
		{
			name: "order-times", rule: "times are in their order, also before Christ and without an end",
			kind: "timestamptz", order: "v",
			table: `1="2026-01-01T00:00:00+00:00" 2="2026-01-01T00:00:00.5+00:00"`,
			changes: [][2]string{
				{`3="0044-03-15T00:00:00+00:00_BC"`, `3="0044-03-15T00:00:00+00:00_BC" 1="2026-01-01T00:00:00+00:00" 2="2026-01-01T00:00:00.5+00:00"`},
				{`1="10000-01-01T00:00:00+00:00" 4="-infinity"`, `4="-infinity" 3="0044-03-15T00:00:00+00:00_BC" 2="2026-01-01T00:00:00.5+00:00" 1="10000-01-01T00:00:00+00:00"`},
				{`4="infinity"`, `3="0044-03-15T00:00:00+00:00_BC" 2="2026-01-01T00:00:00.5+00:00" 1="10000-01-01T00:00:00+00:00" 4="infinity"`},
			},
		},
		{
			name: "order-texts", rule: "only the database knows the order of texts: a client lists again when one comes or changes",
			kind: "text", order: "v", limit: 3,
			table: `1="a" 2="C"`,
			changes: [][2]string{
				{`3="b"`, `1="a" 3="b" 2="C"`},
				{`2="A"`, `1="a" 2="A" 3="b"`},
			},
		},
	}
}

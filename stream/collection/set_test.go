package collection_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/pgherald/pgherald/stream/collection"
)

func ordersOf(change func(*collection.Collection)) collection.Collection {
	c := collection.Collection{
		Name: "orders", Table: "public.orders", Key: []string{"id"}, Truncated: "table_truncated",
		Types:  map[string]collection.Op{"orders_created": collection.OpInsert},
		Fields: []collection.Field{{Name: "id", Type: "integer"}, {Name: "status", Type: "text", Filter: collection.Text, Column: "status"}},
	}
	change(&c)
	return c
}

// A set takes in what filters that clients have can live with, and refuses the rest.
func TestGrow(t *testing.T) {
	field := func(name string, kind collection.Kind) collection.Field {
		return collection.Field{Name: name, Type: "text", Filter: kind, Column: name}
	}
	for name, test := range map[string]struct {
		change    func(*collection.Collection)
		isRefused bool
	}{
		"nothing":                  {func(*collection.Collection) {}, false},
		"a field":                  {func(c *collection.Collection) { c.Fields = append(c.Fields, field("note", "")) }, false},
		"a filter field":           {func(c *collection.Collection) { c.Fields = append(c.Fields, field("note", collection.Text)) }, false},
		"a filter of a last field": {func(c *collection.Collection) { c.Fields[1].FilterSince = 7 }, false},
		"a filter before others":   {func(c *collection.Collection) { c.Fields[0].Filter = collection.Integer }, true},
		"a field before others":    {func(c *collection.Collection) { c.Fields = slices.Insert(c.Fields, 0, field("note", "")) }, true},
		"a field less":             {func(c *collection.Collection) { c.Fields = c.Fields[:1] }, true},
		"a filter less":            {func(c *collection.Collection) { c.Fields[1].Filter = "" }, true},
		"another type":             {func(c *collection.Collection) { c.Fields[1].Type = "integer" }, true},
		"another key":              {func(c *collection.Collection) { c.Key = []string{"status"} }, true},
		"another table":            {func(c *collection.Collection) { c.Table = "public.purchases" }, true},
		"other types":              {func(c *collection.Collection) { c.Types = map[string]collection.Op{"made": collection.OpInsert} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := ordersOf(func(*collection.Collection) {}), ordersOf(test.change)
			set, err := collection.NewSet([]collection.Collection{before})
			if err != nil {
				t.Fatal(err)
			}
			old := set.ByName("orders")
			refused := set.Grow([]collection.Collection{after})
			if test.isRefused != slices.Equal(refused, []string{"orders"}) {
				t.Errorf("refused %v", refused)
			}
			now := set.ByName("orders")
			if !now.Is(old) || set.ByType("orders_created") != now || set.ByTable("public.orders") != now || len(set.All()) != 1 {
				t.Error("the set has another collection")
			}
			if test.isRefused != (now == old) && name != "nothing" {
				t.Errorf("replaced: %v", now != old)
			}
			if name == "nothing" && set.Version() != 0 {
				t.Errorf("version %d", set.Version())
			}
		})
	}
}

// A set hides the filter fields that a newer collection lacks from filters and orders that come after that, and no others. What
// was parsed before goes on, and so does the field once the collection has it again.
func TestNarrow(t *testing.T) {
	field := func(name, column string) collection.Field {
		return collection.Field{Name: name, Type: "integer", JSONType: "integer", Filter: collection.Integer, Column: column}
	}
	with := func(fields ...collection.Field) []collection.Collection {
		return []collection.Collection{ordersOf(func(c *collection.Collection) { c.Fields = fields })}
	}
	noFilter := field("salary", "salary")
	noFilter.Filter, noFilter.Column = "", ""
	for name, after := range map[string][]collection.Collection{
		"no field": with(field("level", "level")), "no filter": with(noFilter, field("level", "level")), "another column": with(field("salary", "other"), field("level", "level")),
	} {
		t.Run(name, func(t *testing.T) {
			before := with(field("salary", "salary"), field("level", "level"))
			set, err := collection.NewSet(before)
			if err != nil {
				t.Fatal(err)
			}
			mayFilter := func(name string) bool {
				_, where := collection.Parse(set.ByName("orders"), url.Values{"where." + name: {"gt.7"}})
				_, order := collection.ParseOrder(set.ByName("orders"), name)
				if (where == nil) != (order == nil) {
					t.Errorf("%s: %v, %v", name, where, order)
				}
				return where == nil
			}
			old, err := collection.Parse(set.ByName("orders"), url.Values{"where.level": {"gt.7"}})
			if err != nil {
				t.Fatal(err)
			}
			set.Narrow(before)
			if !mayFilter("salary") || set.Version() != 0 {
				t.Error("the same collection has narrowed the set")
			}
			set.Narrow(after)
			if mayFilter("salary") || !mayFilter("level") || set.Version() != 1 {
				t.Error("the set has other filters than the newer collection")
			}
			now, err := collection.Parse(set.ByName("orders"), url.Values{"where.level": {"gt.7"}})
			if err != nil {
				t.Fatal(err)
			}
			row := set.ByName("orders").ParseRow([]byte(`{"salary":1,"level":8}`), 1)
			if !old.Match(row) || !now.Match(row) {
				t.Error("the other field has lost its place")
			}
			if refused := set.Grow(after); !slices.Equal(refused, []string{"orders"}) || mayFilter("salary") {
				t.Errorf("refused %v", refused)
			}
			if refused := set.Grow(before); len(refused) > 0 || !mayFilter("salary") {
				t.Errorf("the field has not come back: refused %v", refused)
			}
		})
	}
}

// A collection that is new belongs to the set, unless its types are those of another one.
func TestGrowByCollections(t *testing.T) {
	set, err := collection.NewSet([]collection.Collection{ordersOf(func(*collection.Collection) {})})
	if err != nil {
		t.Fatal(err)
	}
	set.Reduce("public.orders", 5)
	thief := ordersOf(func(c *collection.Collection) { c.Name, c.Table = "thief", "public.thief" })
	items := ordersOf(func(c *collection.Collection) {
		c.Name, c.Table, c.Types = "items", "public.items", map[string]collection.Op{"items_created": collection.OpInsert}
	})
	if refused := set.Grow([]collection.Collection{thief, items}); !slices.Equal(refused, []string{"thief"}) {
		t.Errorf("refused %v", refused)
	}
	if set.ByName("thief") != nil || set.ByType("items_created") == nil || len(set.Showing("public.items")) != 1 || set.Version() != 1 {
		t.Error("the set has other collections")
	}
	if orders := set.ByName("orders"); !set.IsReduced(orders, 6) || set.IsReduced(set.ByName("items"), 6) {
		t.Error("the set has forgotten which collection a newer spec has reduced")
	}
}

package collection_test

import (
	"errors"
	"testing"

	"github.com/pgherald/pgherald/stream/collection"
)

// A set finds neither what it withholds, also if it does not know that, nor what is gone, and finds it again later.
func TestRestrict(t *testing.T) {
	set, err := collection.NewSet([]collection.Collection{
		{Name: "orders", Table: "public.orders", Key: []string{"id"}, Types: map[string]collection.Op{"orders_created": collection.OpInsert}},
		{Name: "items", Table: "public.items", Key: []string{"id"}, Types: map[string]collection.Op{"items_created": collection.OpInsert}},
	})
	if err != nil {
		t.Fatal(err)
	}
	isWithheld := func(name string) bool {
		found, err := set.Find(name)
		var withheld *collection.WithheldError
		return errors.As(err, &withheld) && found == nil && withheld.Collection == name
	}
	isKnown := func(name string) bool {
		found, err := set.Find(name)
		return err == nil && found != nil
	}
	if !isKnown("orders") || !isKnown("items") || isKnown("sales") || isWithheld("sales") {
		t.Error("a set without restrictions has others")
	}
	set.Restrict([]string{"orders", "sales"}, []string{"items"})
	if !isWithheld("orders") || !isWithheld("sales") || isKnown("items") || isWithheld("items") || len(set.All()) != 1 || len(set.Gone()) != 1 {
		t.Error("a restricted set shows more than it may")
	}
	if set.ByType("items_created") == nil {
		t.Error("the streams of before no longer know their events")
	}
	if refused := set.Grow([]collection.Collection{{Name: "new", Table: "public.new", Key: []string{"id"}}}); len(refused) > 0 || !isWithheld("orders") || isKnown("items") {
		t.Error("growth ends the restrictions")
	}
	set.Restrict(nil, nil)
	if !isKnown("orders") || !isKnown("items") || !isKnown("new") || isWithheld("sales") || len(set.All()) != 3 {
		t.Error("the set is not as before")
	}
}

package stream

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestFiltersShareTheirMemory opens streams with equal large filters, then with different ones until their
// memory is used up, and again after they have ended.
func TestFiltersShareTheirMemory(t *testing.T) {
	feed := NewFeed(nil, FeedOptions{FilterBytes: 1 << 20})
	share := func(i int) (Filter, error) {
		var keys []string
		for n := range 12 {
			keys = append(keys, fmt.Sprint(i, "-", n, strings.Repeat("k", 900)))
		}
		f, err := ParseFilter(map[string][]string{"key": keys}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return feed.ShareFilter(f.WithGrants([]string{strings.Repeat("g", 2000), fmt.Sprint(i)}))
	}
	var open []Filter
	for range 1000 {
		f, err := share(0)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, f)
	}
	if open[0].criteria != open[999].criteria || open[0].granted != open[999].granted {
		t.Error("equal filters do not share their memory")
	}
	if held := feed.filters.held(); held > 20<<10 {
		t.Errorf("1000 equal filters take %d bytes", held)
	}
	for i := 1; ; i++ {
		f, err := share(i)
		if errors.Is(err, ErrFiltersFull) {
			break
		}
		if open = append(open, f); i > 1000 {
			t.Fatal("filters exceed their memory")
		}
	}
	if held := feed.filters.held(); held > 1<<20 || held < 900<<10 {
		t.Errorf("different filters take %d bytes", held)
	}
	if _, err := share(0); err != nil {
		t.Errorf("a filter that is known: %v", err)
	}
	runtime.KeepAlive(open)
	for feed.filters.held() > 0 { // the cleanups run some time after the collection
		runtime.GC()
		runtime.Gosched()
	}
	if _, err := share(1); err != nil {
		t.Errorf("after the streams have ended: %v", err)
	}
}

func TestParseFilterBoundsItsSize(t *testing.T) {
	var values []string
	for i := range 20 {
		values = append(values, fmt.Sprint(strings.Repeat("x", 990), i))
	}
	if _, err := ParseFilter(map[string][]string{"key": values}, nil); err == nil {
		t.Error("a filter of 20 kB is accepted")
	}
	if f, err := ParseFilter(map[string][]string{"key": values[:15]}, nil); err != nil || f.criteria.size() > 20<<10 {
		t.Errorf("a filter of 15 kB: %v", err)
	}
}

package collection_test

import (
	"fmt"
	"testing"

	"github.com/pgherald/pgherald/stream/collection"
)

const benchRow = `{"text":"open","note":"A payload has fields that no filter looks at, such as this one.","enum":"paid","boolean":true,"integer":4711,` +
	`"numeric":129.90,"uuid":"0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f","date":"2026-01-31","timestamp":"2026-01-31T12:30:00.123456",` +
	`"timestamptz":"2026-01-31T12:30:00.123456+00:00","items":[{"id":1},{"id":2}]}`

func BenchmarkParseRow(b *testing.B) {
	c := allKinds()
	b.ReportAllocs()
	for b.Loop() {
		c.ParseRow([]byte(benchRow), 0)
	}
}

func BenchmarkFormer(b *testing.B) {
	row := allKinds().ParseRow([]byte(benchRow), 0)
	b.ReportAllocs()
	for b.Loop() {
		row.Former([]byte(`{"text":"closed"}`), 0)
	}
}

func BenchmarkMatch(b *testing.B) {
	row := allKinds().ParseRow([]byte(benchRow), 0)
	for _, query := range []string{
		"where.text=open", "where.text=in.(a,b,c,d,e,f,g,h,i,j,k,l,open)", "where.integer=gt.1", "where.boolean=true", "where.numeric=gte.129.90",
		"where.uuid=0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f", "where.timestamptz=gt.2026-01-01T00:00:00Z",
		"where.text=open&where.integer=gt.1&any=(numeric.gt.1000,boolean.is.true)",
	} {
		w := parseKinds(b, query)
		b.Run(query, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.Match(row)
			}
		})
	}
}

// BenchmarkFilters is the cost of an event for 1,000 different filters: each of them is matched, or Rows tell that it
// cannot match.
func BenchmarkFilters(b *testing.B) {
	c := allKinds()
	var all []*collection.Where
	for i := range 1000 {
		all = append(all, parseKinds(b, fmt.Sprintf("where.integer=in.(%d,%d)&where.text=open", 4212+i, 9000+i)))
	}
	row := c.ParseRow([]byte(benchRow), 0)
	b.Run("Match", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, w := range all {
				w.Match(row)
			}
		}
	})
	b.Run("Rows", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var rows collection.Rows
			rows.Add(row)
			for _, w := range all {
				rows.MayMatch(w)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		parseKinds(b, "where.text=in.(open,paid)&where.integer=gt.1&any=(numeric.gt.1000,boolean.is.true)")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	row := allKinds().ParseRow([]byte(benchRow), 0)
	w := parseKinds(t, "where.text=in.(open,paid)&where.integer=gt.1&where.numeric=gt.1&where.uuid=not.is.null&any=(timestamptz.gt.2026-01-01T00:00:00Z,boolean.is.true)")
	if n := testing.AllocsPerRun(100, func() { w.Match(row) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

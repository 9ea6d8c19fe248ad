package bench

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestHistogram: percentiles are right to 1.6 %, also after travelling and merging.
func TestHistogram(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, maxValue), 1, 200).Draw(t, "values")
		var a, b, sum histogram
		for i, v := range values {
			if i%3 == 0 {
				a.add(v, 1)
			} else {
				b.add(v, 1)
			}
		}
		for _, h := range []*histogram{&a, &b} {
			text, err := json.Marshal(h.pack())
			if err != nil {
				t.Fatal(err)
			}
			var travelled histogram
			if err := json.Unmarshal(text, &travelled); err != nil {
				t.Fatal(err)
			}
			sum.merge(travelled)
		}
		slices.Sort(values)
		for _, q := range []float64{0.01, 0.5, 0.99, 1} {
			want := float64(values[int(math.Ceil(q*float64(len(values))))-1])
			if got := sum.quantile(q); math.Abs(got-want) > 1+want/subBuckets {
				t.Fatalf("quantile %g of %v is %g, want %g", q, values, got, want)
			}
		}
		if sum.Max != values[len(values)-1] || sum.Total != int64(len(values)) {
			t.Fatalf("max %d, total %d of %v", sum.Max, sum.Total, values)
		}
	})
}

func TestHistogramOfNothing(t *testing.T) {
	t.Parallel()
	var h histogram
	if got := h.quantile(0.5); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %g", got)
	}
	h.add(-5, 1) // clocks of two processes may differ by a hair
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("a negative value counts as %g, want 0", got)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 2, 3}, 2.5},
		{[]float64{math.NaN(), 7}, 7},
		{nil, math.NaN()},
	} {
		if got := median(test.values); got != test.want && !(math.IsNaN(got) && math.IsNaN(test.want)) {
			t.Errorf("median of %v is %g, want %g", test.values, got, test.want)
		}
	}
}

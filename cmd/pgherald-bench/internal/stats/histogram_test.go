package stats

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestHistogram checks that percentiles are within 1.6 %, also after encoding and merging.
func TestHistogram(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, maxValue), 1, 200).Draw(t, "values")
		var a, b, sum Histogram
		for i, v := range values {
			if i%3 == 0 {
				a.Add(v, 1)
			} else {
				b.Add(v, 1)
			}
		}
		for _, h := range []*Histogram{&a, &b} {
			text, err := json.Marshal(h.Pack())
			if err != nil {
				t.Fatal(err)
			}
			var received Histogram
			if err := json.Unmarshal(text, &received); err != nil {
				t.Fatal(err)
			}
			sum.Merge(received)
		}
		slices.Sort(values)
		for _, q := range []float64{0.01, 0.5, 0.99, 1} {
			want := float64(values[int(math.Ceil(q*float64(len(values))))-1])
			if got := sum.Quantile(q); math.Abs(got-want) > 1+want/subBuckets {
				t.Fatalf("quantile %g of %v is %g, want %g", q, values, got, want)
			}
		}
		if sum.Max != values[len(values)-1] || sum.Total != int64(len(values)) {
			t.Fatalf("max %d, total %d of %v", sum.Max, sum.Total, values)
		}
	})
}

func TestHistogramWithoutValues(t *testing.T) {
	t.Parallel()
	var h Histogram
	if got := h.Quantile(0.5); !math.IsNaN(got) {
		t.Errorf("the median of no values is %g", got)
	}
	h.Add(-5, 1) // the clocks of two processes may differ slightly
	if got := h.Quantile(0.5); got != 0 {
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
		if got := Median(test.values); got != test.want && !(math.IsNaN(got) && math.IsNaN(test.want)) {
			t.Errorf("median of %v is %g, want %g", test.values, got, test.want)
		}
	}
}

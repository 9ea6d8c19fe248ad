// Package stats summarizes measured values. A histogram holds many of them in little memory and moves
// between processes; medians and quantiles summarize a few.
package stats

import (
	"math"
	"math/bits"
	"slices"
)

// Histogram counts values from 0 to 2^40 in buckets no wider than 1/64 of their value, so percentiles
// are within 1.6 %. It moves between processes as JSON: Pack before, Merge after.
type Histogram struct {
	Counts map[int]int64 `json:"counts,omitempty"` // by bucket; set by Pack only
	Total  int64         `json:"total"`
	Sum    int64         `json:"sum"`
	Max    int64         `json:"max"`

	buckets []int64
}

const (
	subBits    = 6
	subBuckets = 1 << subBits
	maxValue   = 1 << 40
)

// bucketOf returns the bucket of a value. Values below 64 have a bucket each; every further power of
// two has 64.
func bucketOf(v int64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(uint64(v)) - 1 - subBits
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets
}

// lowest returns the smallest value of a bucket.
func lowest(bucket int) int64 {
	if bucket < subBuckets {
		return int64(bucket)
	}
	shift := bucket/subBuckets - 1
	return int64(bucket%subBuckets+subBuckets) << shift
}

// Add counts a value, cut to the range of the histogram, so many times.
func (h *Histogram) Add(v, times int64) {
	v = min(max(v, 0), maxValue)
	b := bucketOf(v)
	h.grow(b)
	h.buckets[b] += times
	h.Total += times
	h.Sum += v * times
	h.Max = max(h.Max, v)
}

func (h *Histogram) grow(bucket int) {
	for len(h.buckets) <= bucket {
		h.buckets = append(h.buckets, make([]int64, subBuckets)...)
	}
}

// Pack returns a copy for encoding as JSON.
func (h *Histogram) Pack() Histogram {
	p := Histogram{Counts: make(map[int]int64), Total: h.Total, Sum: h.Sum, Max: h.Max}
	for b, n := range h.buckets {
		if n > 0 {
			p.Counts[b] = n
		}
	}
	return p
}

// Merge adds a packed histogram.
func (h *Histogram) Merge(packed Histogram) {
	for b, n := range packed.Counts {
		h.grow(b)
		h.buckets[b] += n
	}
	h.Total += packed.Total
	h.Sum += packed.Sum
	h.Max = max(h.Max, packed.Max)
}

// Quantile returns the value below which a share q of all values lies, NaN if there are none.
func (h *Histogram) Quantile(q float64) float64 {
	if h.Total == 0 {
		return math.NaN()
	}
	rank := int64(math.Ceil(q * float64(h.Total)))
	var seen int64
	for b, n := range h.buckets {
		if seen += n; seen >= rank && n > 0 {
			return min(float64(lowest(b)+lowest(b+1))/2, float64(h.Max))
		}
	}
	return float64(h.Max)
}

// Median returns the median of the values that are not NaN, and NaN if there are none.
func Median(values []float64) float64 {
	known := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(known) == 0 {
		return math.NaN()
	}
	slices.Sort(known)
	mid := len(known) / 2
	if len(known)%2 == 1 {
		return known[mid]
	}
	return (known[mid-1] + known[mid]) / 2
}

// Quantile returns the value below which a share q of the values lies, NaN if there are none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

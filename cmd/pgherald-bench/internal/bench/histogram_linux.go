package bench

import (
	"math"
	"math/bits"
)

// histogram counts values from 0 to 2^40 in buckets of at most 1/64 of their value: percentiles
// are right to 1.6 %. It goes between processes as JSON.
type histogram struct {
	Counts map[int]int64 `json:"counts,omitempty"` // by bucket; only while it travels
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

// bucketOf: values below 64 have a bucket each, then each power of two has 64.
func bucketOf(v int64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(uint64(v)) - 1 - subBits
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets
}

// lowest is the smallest value of a bucket.
func lowest(bucket int) int64 {
	if bucket < subBuckets {
		return int64(bucket)
	}
	shift := bucket/subBuckets - 1
	return int64(bucket%subBuckets+subBuckets) << shift
}

func (h *histogram) add(v, times int64) {
	v = min(max(v, 0), maxValue)
	b := bucketOf(v)
	for len(h.buckets) <= b {
		h.buckets = append(h.buckets, make([]int64, subBuckets)...)
	}
	h.buckets[b] += times
	h.Total += times
	h.Sum += v * times
	h.Max = max(h.Max, v)
}

// pack makes it fit to travel.
func (h *histogram) pack() histogram {
	p := histogram{Counts: make(map[int]int64), Total: h.Total, Sum: h.Sum, Max: h.Max}
	for b, n := range h.buckets {
		if n > 0 {
			p.Counts[b] = n
		}
	}
	return p
}

// merge adds one that has travelled.
func (h *histogram) merge(p histogram) {
	for b, n := range p.Counts {
		for len(h.buckets) <= b {
			h.buckets = append(h.buckets, make([]int64, subBuckets)...)
		}
		h.buckets[b] += n
	}
	h.Total += p.Total
	h.Sum += p.Sum
	h.Max = max(h.Max, p.Max)
}

// quantile returns the value below which a share q of all values lies, NaN if there are none.
func (h *histogram) quantile(q float64) float64 {
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

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes that people may write as 64MiB.
type byteSize int64

// UnmarshalText is called by kong.
func (b *byteSize) UnmarshalText(text []byte) error {
	s, factor := string(text), float64(1)
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if number, ok := strings.CutSuffix(s, unit); ok {
			s, factor = number, math.Pow(1024, float64(i+1))
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || n < 0 || n*factor > math.MaxInt64/2 {
		return fmt.Errorf("%q is no size: write bytes, or a number with KiB, MiB or GiB", text)
	}
	*b = byteSize(n * factor)
	return nil
}

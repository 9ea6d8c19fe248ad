package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes, written as a number or as 64MiB.
type byteSize int64

var byteUnits = []string{"KiB", "MiB", "GiB"}

// UnmarshalText parses a size.
func (b *byteSize) UnmarshalText(text []byte) error {
	s, factor := string(text), float64(1)
	for i, unit := range byteUnits {
		if number, ok := strings.CutSuffix(s, unit); ok {
			s, factor = number, math.Pow(1024, float64(i+1))
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || n < 0 || n*factor > math.MaxInt64/2 {
		return fmt.Errorf("%q is not a size: write bytes, or a number with KiB, MiB or GiB", text)
	}
	*b = byteSize(n * factor)
	return nil
}

// String returns the size in the largest unit that leaves a whole number.
func (b byteSize) String() string {
	n, unit := int64(b), ""
	for _, u := range byteUnits {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return strconv.FormatInt(n, 10) + unit
}

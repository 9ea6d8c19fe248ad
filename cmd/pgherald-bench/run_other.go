//go:build !linux

package main

import (
	"context"
	"fmt"
	"io"
)

// run reports that the benchmarks need Linux.
func run(_ context.Context, _ []string, _, stderr io.Writer) int {
	fmt.Fprintln(stderr, "pgherald-bench: measure pgherald: this needs Linux, because CPU time and memory are read from /proc")
	return 1
}

//go:build unix

package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// maxFiles is how many files the process may have open, 0 if there is no limit. Go has raised the soft
// limit to the hard one at start.
func maxFiles() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur > math.MaxInt32 {
		return 0
	}
	return int(l.Cur)
}

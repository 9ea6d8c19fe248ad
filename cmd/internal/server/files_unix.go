//go:build unix

package server

import (
	"math"

	"golang.org/x/sys/unix"
)

// MaxFiles returns how many files the process may have open, 0 if there is no limit. Go raises the soft
// limit to the hard one at start.
func MaxFiles() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur > math.MaxInt32 {
		return 0
	}
	return int(l.Cur)
}

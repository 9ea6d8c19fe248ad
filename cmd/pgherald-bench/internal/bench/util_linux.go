package bench

import (
	"iter"
	"maps"

	"golang.org/x/sys/unix"
)

func mapKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// kernel is the release of Linux.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

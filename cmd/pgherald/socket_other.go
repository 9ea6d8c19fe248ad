//go:build !linux

package main

import "syscall"

// limitSilence has no option for it on this system, where the kernel's own retransmission time-out ends
// the connections of peers that are silent.
func limitSilence(_, _ string, _ syscall.RawConn) error { return nil }

//go:build !linux

package server

import "syscall"

// limitSilence does nothing: this system has no such option, and its own retransmission timeout closes the
// connections of silent peers.
func limitSilence(_, _ string, _ syscall.RawConn) error { return nil }

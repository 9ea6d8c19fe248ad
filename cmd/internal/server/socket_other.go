//go:build !linux

package server

import "syscall"

// limitSocket does nothing: this system has no such options, and its own retransmission timeout closes the
// connections of silent peers.
func limitSocket(_, _ string, _ syscall.RawConn) error { return nil }

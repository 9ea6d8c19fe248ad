package main

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitSilence makes the kernel close a connection whose peer has confirmed nothing of what was written to
// it for maxSilence. To us such writes succeed: there is room in the socket for many heartbeats.
// Connections inherit it from the socket that accepts them.
func limitSilence(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(maxSilence.Milliseconds()))
	})
	return errors.Join(controlErr, err)
}

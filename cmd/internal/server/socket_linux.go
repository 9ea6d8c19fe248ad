package server

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitSilence makes the kernel close a connection whose peer has acknowledged no data for maxSilence. A
// write to such a connection succeeds as long as the socket's buffer has room, which is enough for many
// heartbeats. Accepted connections inherit the option from the listening socket.
func limitSilence(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(maxSilence.Milliseconds()))
	})
	return errors.Join(controlErr, err)
}

package server

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnsent bounds what waits in the kernel to be sent to a client, in bytes. Without it, the kernel takes up to 4 MB for each socket
// (tcp_wmem): a response of that size ends for the server, with its place in the limits, although its client reads nothing. What is
// on its way to a client is not bounded, so it does not slow down a fast client on a long line.
const maxUnsent = 256 << 10

// limitSocket makes the kernel close a connection whose peer has acknowledged no data for maxSilence. A
// write to such a connection succeeds as long as the socket's buffer has room, which is enough for many
// heartbeats. Nor does the kernel take more than maxUnsent. Accepted connections inherit the options from the listening socket.
func limitSocket(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(maxSilence.Milliseconds()))
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent) // gVisor does not know it
	})
	return errors.Join(controlErr, err)
}

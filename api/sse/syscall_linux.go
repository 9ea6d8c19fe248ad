package sse

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// send sends what the socket has room for, and never blocks: a full socket is EAGAIN. It is a raw
// system call, of which the scheduler does not know. To inform it costs more than the call's own
// overhead, and makes the runtime's monitor take the processor away at every second send.
func send(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// isPeerClosed reports whether the peer has closed the connection, at least for writing.
func isPeerClosed(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLRDHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

// stopwatch measures processor time. On a busy machine, most of the time that passes may belong to
// other threads.
type stopwatch struct {
	began time.Time
	cpu   time.Duration // of this thread
}

func startStopwatch() stopwatch { return stopwatch{time.Now(), threadTime()} }

// cost returns the processor time since the start. It returns the time that has passed if the
// processor time is not known, as when the goroutine has moved to another thread.
func (w stopwatch) cost(now time.Time) time.Duration {
	passed := now.Sub(w.began)
	if used := threadTime() - w.cpu; used > 0 && used < passed {
		return used
	}
	return passed
}

// threadTime returns the processor time that the thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

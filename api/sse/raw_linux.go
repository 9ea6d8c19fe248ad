package sse

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// send sends what the socket has room for, and never waits: a full socket is EAGAIN. It is a raw
// system call, which the scheduler is not told of: telling it would cost more than the call's own
// overhead, and lets its monitor take the processor away at every second send.
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

// hungUp reports whether nobody reads at the other end any more.
func hungUp(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLRDHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

// stopwatch tells what something costs. Where others want the processor, too, most of the time that
// passes may be theirs.
type stopwatch struct {
	began time.Time
	cpu   time.Duration // of this thread
}

func startWatch() stopwatch { return stopwatch{time.Now(), threadTime()} }

// cost is the processor time since the start, as far as it is known: the goroutine may have changed
// threads.
func (w stopwatch) cost(now time.Time) time.Duration {
	passed := now.Sub(w.began)
	if used := threadTime() - w.cpu; used > 0 && used < passed {
		return used
	}
	return passed
}

// threadTime is what the thread has used of a processor.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

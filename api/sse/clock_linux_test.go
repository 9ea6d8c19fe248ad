package sse

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stepped is a moment after the clock was set to so much later or, below 0, earlier: another time of day, at
// the same distance from all moments before.
func stepped(moment time.Time, by time.Duration) time.Time {
	const seconds = 30 // bits of the nanoseconds, below them
	*(*uint64)(unsafe.Pointer(&moment)) += uint64(by/time.Second) << seconds
	return moment
}

func TestStepped(t *testing.T) {
	now := time.Now()
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		then := stepped(now, by)
		if then.Sub(now) != 0 || then.UnixNano()-now.UnixNano() != int64(by) {
			t.Errorf("%v became %v, after %v", now, then, then.Sub(now))
		}
	}
}

// Heartbeats come also if the clock was set back, and nobody who is slow is sent away if it was set forward.
func TestClockThatIsSet(t *testing.T) {
	f := newFan(t)
	peers := f.add(2)
	beat := time.Now().Add(f.shard.server.opts.Heartbeat)
	f.shard.sweep(stepped(beat, -24*time.Hour))
	for _, peer := range peers {
		if got := f.read(peer); !strings.Contains(got, "heartbeat") {
			t.Errorf("after the clock was set back, %q came", got)
		}
	}
	if err := unix.SetsockoptInt(int(f.shard.clients[0].fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10); err != nil {
		t.Fatal(err)
	}
	f.commit(slices.Repeat([]string{"large"}, 1000)...)
	f.shard.pass()
	f.shard.sweep(stepped(time.Now(), 24*time.Hour))
	if n := len(f.shard.clients); n != 2 {
		t.Errorf("after the clock was set forward, %d clients are left", n)
	}
}

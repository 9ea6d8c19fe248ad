package sse

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// withClockSet returns the moment as read after the time of day was set forward by d, or back if d is
// negative. Its monotonic reading, and so its distance to earlier moments, is the same.
func withClockSet(moment time.Time, d time.Duration) time.Time {
	const nanosecondBits = 30 // the seconds are above them
	*(*uint64)(unsafe.Pointer(&moment)) += uint64(d/time.Second) << nanosecondBits
	return moment
}

func TestWithClockSet(t *testing.T) {
	now := time.Now()
	for _, d := range []time.Duration{time.Hour, -time.Hour} {
		then := withClockSet(now, d)
		if then.Sub(now) != 0 || then.UnixNano()-now.UnixNano() != int64(d) {
			t.Errorf("clock set by %v: %v became %v, %v later", d, now, then, then.Sub(now))
		}
	}
}

// A clock that is set back delays no heartbeat, and one that is set forward closes no stalled client.
func TestStreamsFollowTheMonotonicClock(t *testing.T) {
	f := newFan(t)
	peers := f.add(2)
	beat := time.Now().Add(f.shard.server.opts.Heartbeat)
	f.shard.sweep(withClockSet(beat, -24*time.Hour))
	for _, peer := range peers {
		if got := f.read(peer); !strings.Contains(got, `"type":"heartbeat"`) {
			t.Errorf("after the clock was set back: got %q, want a heartbeat", got)
		}
	}
	f.shrink(f.shard.clients[0])
	f.commit(slices.Repeat([]string{"large"}, 1000)...)
	f.shard.pass()
	f.shard.sweep(withClockSet(time.Now(), 24*time.Hour))
	if n := len(f.shard.clients); n != 2 {
		t.Errorf("after the clock was set forward: got %d clients, want 2", n)
	}
}

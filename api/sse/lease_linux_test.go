package sse

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The epoll transport closes a stream at the end of its lease, and later if the lease was renewed. The
// test passes the time to the shard.
func TestShardFollowsTheLease(t *testing.T) {
	s := newFan(t).shard
	s.server.opts.Heartbeat = 24 * time.Hour
	began, reason := time.Now(), CloseReason("")
	lease := NewLease(began.Add(time.Minute))
	_, peer := s.addClient(t, lease, func(e End) { reason = e.Reason })

	s.sweep(began.Add(59 * time.Second))
	lease.Renew(began.Add(time.Hour))
	s.sweep(began.Add(61 * time.Second))
	s.sweep(began.Add(59 * time.Minute))
	if reason != "" {
		t.Fatalf("the stream ended before its lease: %s", reason)
	}
	s.sweep(began.Add(time.Hour))
	buf := make([]byte, 1000)
	n, err := unix.Read(peer, buf)
	if got := string(buf[:max(n, 0)]); reason != CloseExpired || !strings.Contains(got, `{"mode":"expired"}`) {
		t.Errorf("at the end of the lease: got close reason %q and the bytes %q, %v", reason, got, err)
	}
}

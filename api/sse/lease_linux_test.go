package sse

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgherald/pgherald/stream"
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

// leased adds a client with a lease that ends in an hour, and whose end sets reason.
func (f *fan) leased(filter stream.Filter, reason *CloseReason) (c *client, peer int) {
	f.Helper()
	c, peer = f.shard.addClient(f, NewLease(time.Now().Add(time.Hour)), func(e End) { *reason = e.Reason })
	sub, _, err := f.feed.Subscribe(f.Context(), stream.Cursor{}, filter)
	if err != nil {
		f.Fatal(err)
	}
	c.sub = *sub
	c.lease.onRevoke(func() { f.shard.post(message{client: c, kind: leaseRevoked}) })
	return c, peer
}

// readToEnd returns what the peer can read until its stream is closed. It makes the shard handle its
// messages and the room in the socket meanwhile.
func (f *fan) readToEnd(c *client, peer int) string {
	f.Helper()
	var got []byte
	for buf := make([]byte, 64<<10); f.Context().Err() == nil; {
		n, err := unix.Read(peer, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			c.onWritable()
			f.shard.readMail()
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(peer), Events: unix.POLLIN}}, 1)
		case err != nil:
			f.Fatal(err)
		case n == 0:
			return string(got)
		default:
			got = append(got, buf[:n]...)
		}
	}
	return string(got)
}

// wayToClient writes the event "early", calls end, and writes the event "late". It returns what the client
// received until its stream ended.
type wayToClient func(f *fan, c *client, peer int, end func()) string

var waysToClient = map[string]wayToClient{
	"pass": func(f *fan, c *client, peer int, end func()) string {
		f.commit("early")
		f.shard.pass()
		end()
		f.commit("late")
		f.shard.pass()
		return f.readToEnd(c, peer)
	},
	"batch": func(f *fan, c *client, peer int, end func()) string {
		sub, _, _ := f.feed.Subscribe(f.Context(), stream.Cursor{}, stream.Filter{}.Batched(10*time.Second))
		c.sub = *sub
		for _, kind := range []string{"early", "late"} {
			f.commit(kind)
			f.shard.pass()
			if kind == "late" {
				end()
			}
			c.flushAt = 1
			f.shard.flush()
		}
		return f.readToEnd(c, peer)
	},
	"socket with room again": func(f *fan, c *client, peer int, end func()) string {
		f.shrink(c)
		f.commit(slices.Repeat([]string{"early"}, 1000)...)
		f.shard.pass()
		if c.stalledSince == 0 {
			f.Fatal("the client is not stalled")
		}
		end()
		f.commit("late")
		f.shard.pass()
		return f.readToEnd(c, peer)
	},
	"catch-up": func(f *fan, c *client, peer int, end func()) string {
		f.shrink(c)
		f.commit(slices.Repeat([]string{"early"}, 1000)...)
		f.shard.pass()
		if c.catchUp.Load() == nil {
			f.Fatal("the client does not catch up")
		}
		f.waitForBytes(peer)
		end()
		f.commit("late")
		return f.readToEnd(c, peer)
	},
	"heartbeat": func(f *fan, c *client, peer int, end func()) string {
		f.commit("early")
		f.shard.pass()
		end()
		f.commit("late")
		f.shard.sweep(time.Now().Add(2 * time.Hour))
		return f.readToEnd(c, peer)
	},
}

// However late the transport is, no event that was written after the end of the lease reaches the client:
// each way to the client checks the lease itself, since the sweep may come later.
func TestNoEventAfterTheLease(t *testing.T) {
	ends := map[CloseReason]func(*Lease){
		CloseExpired: func(l *Lease) { l.Renew(time.Now()) },
		CloseRevoked: (*Lease).Revoke,
	}
	for want, end := range ends {
		for way, deliver := range waysToClient {
			t.Run(way+" "+string(want), func(t *testing.T) {
				var options stream.FeedOptions
				if way == "catch-up" {
					options.Bytes = 1
				}
				f, reason := newFanWithFeed(t, options), CloseReason("")
				c, peer := f.leased(stream.Filter{}, &reason)
				got := deliver(f, c, peer, func() { end(c.lease) })
				if strings.Contains(got, "late") || !strings.Contains(got, "early") || reason != want {
					t.Errorf("reason %q, want %q; received %d bytes, at the end %s", reason, want, len(got), got[max(0, len(got)-300):])
				}
			})
		}
	}
}

// A revocation reaches a client that has nothing to receive, also before the shard knows it.
func TestRevokedLeaseWakesItsShard(t *testing.T) {
	f, reason := newFan(t), CloseReason("")
	c, peer := f.leased(stream.Filter{}, &reason)
	c.lease.Revoke()
	c.lease.Renew(time.Now().Add(time.Hour)) // too late
	<-f.shard.mail
	f.shard.readMail()
	if got := f.readToEnd(c, peer); reason != CloseRevoked || !strings.Contains(got, `{"mode":"expired"}`) {
		t.Errorf("reason %q, received %s", reason, got)
	}
}

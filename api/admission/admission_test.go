package admission_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgherald/pgherald/api/admission"
)

func requestFrom(addr string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/events", nil)
	r.RemoteAddr = addr
	return r
}

// open returns the slot of a new stream.
func open(c *admission.Controller, addr, user string) (*admission.Slot, error) {
	s, err := c.Admit(requestFrom(addr))
	if err != nil {
		return nil, err
	}
	if err := s.SetUser(user); err != nil {
		s.ReleaseUnlessRetained()
		return nil, err
	}
	return s, nil
}

func mustOpen(t *testing.T, c *admission.Controller, addr, user string) *admission.Slot {
	t.Helper()
	s, err := open(c, addr, user)
	if err != nil {
		t.Fatalf("open a stream of %q at %s: %v", user, addr, err)
	}
	return s
}

func mustReject(t *testing.T, c *admission.Controller, addr, user string, limit admission.Limit, status int) {
	t.Helper()
	_, err := open(c, addr, user)
	var r *admission.Rejection
	if !errors.As(err, &r) || r.Limit != limit || r.Status != status || r.RetryAfter < time.Second {
		t.Fatalf("open a stream of %q at %s: %#v, want a rejection by limit %s with status %d", user, addr, err, limit, status)
	}
}

func TestTotal(t *testing.T) {
	c := admission.New(admission.Options{Total: 2})
	a := mustOpen(t, c, "192.0.2.1:1", "")
	mustOpen(t, c, "192.0.2.2:1", "")
	mustReject(t, c, "192.0.2.3:1", "", admission.LimitTotal, 503)
	a.Release()
	a.Release() // must free only one slot
	mustOpen(t, c, "192.0.2.3:1", "")
	mustReject(t, c, "192.0.2.4:1", "", admission.LimitTotal, 503)
}

func TestPerUser(t *testing.T) {
	c := admission.New(admission.Options{PerUser: 1})
	alice := mustOpen(t, c, "192.0.2.1:1", "alice")
	mustOpen(t, c, "192.0.2.1:2", "bob")
	mustOpen(t, c, "192.0.2.1:3", "")
	mustOpen(t, c, "192.0.2.1:4", "") // anonymous streams are not limited
	mustReject(t, c, "192.0.2.9:1", "alice", admission.LimitUser, 429)
	alice.Release()
	mustOpen(t, c, "192.0.2.9:1", "alice")
}

func TestPerAddress(t *testing.T) {
	c := admission.New(admission.Options{PerAddress: 2})
	a := mustOpen(t, c, "192.0.2.1:1", "alice")
	mustOpen(t, c, "192.0.2.1:2", "bob")
	mustReject(t, c, "192.0.2.1:3", "carol", admission.LimitAddress, 429)
	mustReject(t, c, "[::ffff:192.0.2.1]:4", "carol", admission.LimitAddress, 429) // the same address, mapped to IPv6
	mustOpen(t, c, "192.0.2.2:1", "carol")
	a.Release()
	mustOpen(t, c, "192.0.2.1:3", "carol")
}

// A host with one IPv6 address usually has the whole /64 network.
func TestIPv6AddressesOfOneNetworkShareALimit(t *testing.T) {
	c := admission.New(admission.Options{PerAddress: 2})
	mustOpen(t, c, "[2001:db8:1:2::1]:1", "")
	mustOpen(t, c, "[2001:db8:1:2:ffff::2]:1", "")
	mustReject(t, c, "[2001:db8:1:2:3:4:5:6]:1", "", admission.LimitAddress, 429)
	mustOpen(t, c, "[2001:db8:1:3::1]:1", "")
}

func TestRate(t *testing.T) {
	now := time.Unix(1764000000, 0)
	c := admission.New(admission.Options{Rate: 1, Now: func() time.Time { return now }})
	for range 10 {
		mustOpen(t, c, "192.0.2.1:1", "").Release() // the rate counts closed streams too
	}
	mustReject(t, c, "192.0.2.1:1", "", admission.LimitRate, 429)
	mustOpen(t, c, "192.0.2.2:1", "")
	now = now.Add(time.Second)
	mustOpen(t, c, "192.0.2.1:1", "")
	mustReject(t, c, "192.0.2.1:1", "", admission.LimitRate, 429)
}

// Clients that were rejected together must not return together.
func TestRetryAfterIsRandom(t *testing.T) {
	c := admission.New(admission.Options{Total: 1})
	mustOpen(t, c, "192.0.2.1:1", "")
	seen := make(map[time.Duration]bool)
	for range 200 {
		var r *admission.Rejection
		if _, err := c.Admit(requestFrom("192.0.2.2:1")); errors.As(err, &r) {
			seen[r.RetryAfter] = true
		}
	}
	if len(seen) < 10 {
		t.Errorf("200 rejections have only %d different values of RetryAfter", len(seen))
	}
}

// An attacker with a million addresses must not fill the server's memory.
func TestIdleAddressesAreForgotten(t *testing.T) {
	for name, o := range map[string]admission.Options{
		"streams closed":   {PerAddress: 1},
		"streams rejected": {Total: 1},
		"limiter refilled": {Rate: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1764000000, 0)
			o.Now = func() time.Time { return now }
			c := admission.New(o)
			mustOpen(t, c, "198.51.100.1:1", "")
			r := requestFrom("")
			for i := range 100_000 {
				r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)
				if s, err := c.Admit(r); err == nil {
					s.Release()
				}
				now = now.Add(time.Millisecond)
			}
			if n := admission.AddressCount(c); n > 10_000 {
				t.Errorf("the controller remembers %d addresses, want at most 10000", n)
			}
		})
	}
}

// TestCountsMatchModel opens and closes streams at random and compares each decision with one that is
// made by counting a list of open streams.
func TestCountsMatchModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := admission.Options{Total: 6, PerUser: 2, PerAddress: 3}
		c := admission.New(o)
		type openStream struct {
			slot       *admission.Slot
			addr, user string
		}
		var streams []openStream
		count := func(matches func(openStream) bool) (n int) {
			for _, s := range streams {
				if matches(s) {
					n++
				}
			}
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				addr := rapid.SampledFrom([]string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"}).Draw(t, "addr")
				user := rapid.SampledFrom([]string{"", "alice", "bob"}).Draw(t, "user")
				want := len(streams) < o.Total && count(func(s openStream) bool { return s.addr == addr }) < o.PerAddress &&
					(user == "" || count(func(s openStream) bool { return s.user == user }) < o.PerUser)
				slot, err := open(c, addr, user)
				if (err == nil) != want {
					t.Fatalf("open a stream of %q at %s beside %d others: %v, want admitted %v", user, addr, len(streams), err, want)
				}
				if err == nil {
					slot.Retain()
					slot.ReleaseUnlessRetained() // must not release it
					streams = append(streams, openStream{slot, addr, user})
				}
			},
			"close": func(t *rapid.T) {
				if len(streams) == 0 {
					t.Skip("no stream is open")
				}
				i := rapid.IntRange(0, len(streams)-1).Draw(t, "index")
				streams[i].slot.Release()
				streams = append(streams[:i], streams[i+1:]...)
			},
		})
	})
}

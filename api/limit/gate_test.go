package limit_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgherald/pgherald/api/limit"
)

func from(addr string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/events", nil)
	r.RemoteAddr = addr
	return r
}

// enters expects a seat.
func enters(t *testing.T, g *limit.Gate, addr, user string) *limit.Seat {
	t.Helper()
	s, err := g.Enter(from(addr))
	if err == nil {
		err = s.Name(user)
	}
	if err != nil {
		t.Fatalf("%s at %s: %v", user, addr, err)
	}
	return s
}

// refused expects none, and gives back what there is of one.
func refused(t *testing.T, g *limit.Gate, addr, user, want string, status int) {
	t.Helper()
	s, err := g.Enter(from(addr))
	if err == nil {
		err = s.Name(user)
		s.Done()
	}
	var refusal *limit.Refusal
	if !errors.As(err, &refusal) || refusal.Limit != want || refusal.Status != status || refusal.RetryAfter < time.Second {
		t.Fatalf("%s at %s: %#v, want a refusal by %s with %d", user, addr, err, want, status)
	}
}

func TestTotal(t *testing.T) {
	g := limit.New(limit.Options{Total: 2})
	a := enters(t, g, "192.0.2.1:1", "")
	enters(t, g, "192.0.2.2:1", "")
	refused(t, g, "192.0.2.3:1", "", "total", 503)
	a.Leave()
	a.Leave() // once is enough
	enters(t, g, "192.0.2.3:1", "")
	refused(t, g, "192.0.2.4:1", "", "total", 503)
}

func TestPerUser(t *testing.T) {
	g := limit.New(limit.Options{PerUser: 1})
	alice := enters(t, g, "192.0.2.1:1", "alice")
	enters(t, g, "192.0.2.1:2", "bob")
	enters(t, g, "192.0.2.1:3", "")
	enters(t, g, "192.0.2.1:4", "") // nobody is no user
	refused(t, g, "192.0.2.9:1", "alice", "user", 429)
	alice.Leave()
	enters(t, g, "192.0.2.9:1", "alice")
}

func TestPerAddress(t *testing.T) {
	g := limit.New(limit.Options{PerAddress: 2})
	a := enters(t, g, "192.0.2.1:1", "alice")
	enters(t, g, "192.0.2.1:2", "bob")
	refused(t, g, "192.0.2.1:3", "carol", "address", 429)
	refused(t, g, "[::ffff:192.0.2.1]:4", "carol", "address", 429) // the same, in other words
	enters(t, g, "192.0.2.2:1", "carol")
	a.Leave()
	enters(t, g, "192.0.2.1:3", "carol")
}

// Whoever has one IPv6 address has 2^64 of them.
func TestNetworksOfIPv6CountAsOne(t *testing.T) {
	g := limit.New(limit.Options{PerAddress: 2})
	enters(t, g, "[2001:db8:1:2::1]:1", "")
	enters(t, g, "[2001:db8:1:2:ffff::2]:1", "")
	refused(t, g, "[2001:db8:1:2:3:4:5:6]:1", "", "address", 429)
	enters(t, g, "[2001:db8:1:3::1]:1", "")
}

func TestRate(t *testing.T) {
	now := time.Unix(1764000000, 0)
	g := limit.New(limit.Options{Rate: 1, Now: func() time.Time { return now }})
	for range 10 {
		enters(t, g, "192.0.2.1:1", "").Leave() // that they leave makes no difference
	}
	refused(t, g, "192.0.2.1:1", "", "rate", 429)
	enters(t, g, "192.0.2.2:1", "")
	now = now.Add(time.Second)
	enters(t, g, "192.0.2.1:1", "")
	refused(t, g, "192.0.2.1:1", "", "rate", 429)
}

// Who was refused together must not return together.
func TestRetryAfterIsRandom(t *testing.T) {
	g := limit.New(limit.Options{Total: 1})
	enters(t, g, "192.0.2.1:1", "")
	seen := make(map[time.Duration]bool)
	for range 200 {
		var refusal *limit.Refusal
		if _, err := g.Enter(from("192.0.2.2:1")); errors.As(err, &refusal) {
			seen[refusal.RetryAfter] = true
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d different times", len(seen))
	}
}

// An attacker with a million addresses does not make the server remember them.
func TestAddressesAreForgotten(t *testing.T) {
	for name, o := range map[string]limit.Options{
		"they leave":          {PerAddress: 1},
		"they are refused":    {Total: 1},
		"they have been slow": {Rate: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1764000000, 0)
			o.Now = func() time.Time { return now }
			g := limit.New(o)
			enters(t, g, "198.51.100.1:1", "")
			for i := range 100_000 {
				if s, err := g.Enter(from(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))); err == nil {
					s.Leave()
				}
				now = now.Add(time.Millisecond)
			}
			if n := limit.Remembered(g); n > 10_000 {
				t.Errorf("%d addresses are remembered", n)
			}
		})
	}
}

// TestCounts lets people come and go at random, and counts along.
func TestCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := limit.Options{Total: 6, PerUser: 2, PerAddress: 3}
		g := limit.New(o)
		type guest struct {
			seat       *limit.Seat
			addr, user string
		}
		var in []guest
		count := func(is func(guest) bool) (n int) {
			for _, one := range in {
				if is(one) {
					n++
				}
			}
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"come": func(t *rapid.T) {
				addr := rapid.SampledFrom([]string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"}).Draw(t, "addr")
				user := rapid.SampledFrom([]string{"", "alice", "bob"}).Draw(t, "user")
				want := len(in) < o.Total && count(func(o guest) bool { return o.addr == addr }) < o.PerAddress &&
					(user == "" || count(func(o guest) bool { return o.user == user }) < o.PerUser)
				s, err := g.Enter(from(addr))
				if err == nil {
					if err = s.Name(user); err != nil {
						s.Done()
					}
				}
				if (err == nil) != want {
					t.Fatalf("%s at %s with %d in: %v, want %v", user, addr, len(in), err, want)
				}
				if err == nil {
					s.Keep()
					s.Done() // does nothing now
					in = append(in, guest{s, addr, user})
				}
			},
			"go": func(t *rapid.T) {
				if len(in) == 0 {
					t.Skip("nobody is in")
				}
				i := rapid.IntRange(0, len(in)-1).Draw(t, "who")
				in[i].seat.Leave()
				in = append(in[:i], in[i+1:]...)
			},
		})
	})
}

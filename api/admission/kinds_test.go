package admission_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/api/admission"
)

// admit returns done if the request is admitted at once, and nil if it is rejected.
func admit(t *testing.T, q *admission.Requests, kind admission.Kind, addr, user string) func() {
	t.Helper()
	done, err := q.Admit(t.Context(), kind, requestFrom(addr), user)
	var rejection *admission.Rejection
	switch {
	case err == nil:
		return done
	case !errors.As(err, &rejection):
		t.Fatal(err)
	case rejection.Limit != admission.LimitRequestsUser || rejection.Status != http.StatusTooManyRequests || rejection.RetryAfter < time.Second:
		t.Errorf("rejection %+v", rejection)
	}
	return nil
}

// Users are counted apart from each other and from addresses; kinds are too.
func TestRequestsOfOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := admission.NewRequests(admission.RequestOptions{PerClient: 2})
		for _, c := range []struct{ addr, user, same string }{
			{"192.0.2.1:1", "ann", "198.51.100.9:1"}, {"192.0.2.1:1", "bob", "192.0.2.1:2"},
			{"192.0.2.1:1", "", "192.0.2.1:3"}, {"[2001:db8::1]:1", "", "[2001:db8::ffff]:9"},
		} {
			for _, kind := range admission.Kinds() {
				first, second := admit(t, q, kind, c.addr, c.user), admit(t, q, kind, c.same, c.user)
				if first == nil || second == nil {
					t.Fatalf("%v %s: rejected within the limit", c, kind)
				}
				if admit(t, q, kind, c.addr, c.user) != nil {
					t.Errorf("%v %s: admitted beyond the limit", c, kind)
				}
				second()
				third := admit(t, q, kind, c.addr, c.user)
				if third == nil {
					t.Fatalf("%v %s: rejected after another one ended", c, kind)
				}
				defer first()
				defer third()
			}
		}
		if n := admission.LineCount(q); n != 12 {
			t.Errorf("%d lines", n)
		}
	})
}

// A request waits for those before it, and no longer than the limit or its context.
func TestRequestsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := admission.NewRequests(admission.RequestOptions{PerClient: 1})
		first := admit(t, q, admission.KindList, "192.0.2.1:1", "ann")
		began := time.Now()
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() {
				done := admit(t, q, admission.KindList, "192.0.2.1:1", "ann")
				if done == nil {
					t.Error("rejected although the others ended")
					return
				}
				time.Sleep(200 * time.Millisecond)
				done()
			})
		}
		time.Sleep(time.Second)
		first()
		waiting.Wait()
		if took := time.Since(began); took != 1600*time.Millisecond {
			t.Errorf("took %v", took)
		}
		first = admit(t, q, admission.KindList, "192.0.2.1:1", "ann")
		began = time.Now()
		if admit(t, q, admission.KindList, "192.0.2.1:1", "ann") != nil || time.Since(began) != 2*time.Second {
			t.Errorf("rejected after %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := q.Admit(ctx, admission.KindList, requestFrom("192.0.2.1:1"), "ann"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request whose client has gone: %v", err)
		}
		first()
		if n := admission.LineCount(q); n != 0 {
			t.Errorf("%d lines are left", n)
		}
	})
}

func TestRequestsWithoutALimit(t *testing.T) {
	q := admission.NewRequests(admission.RequestOptions{})
	for range 100 {
		defer admit(t, q, admission.KindWrite, "192.0.2.1:1", "ann")()
	}
}

// Behind a trusted proxy, the address that it reports counts.
func TestRequestsBehindAProxy(t *testing.T) {
	q := admission.NewRequests(admission.RequestOptions{
		PerClient: 1, Wait: time.Nanosecond,
		Proxies: admission.Proxies{Header: "X-Forwarded-For", Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
	})
	for _, client := range []string{"192.0.2.1", "192.0.2.2"} {
		r := requestFrom("10.0.0.1:1")
		r.Header.Set("X-Forwarded-For", client)
		done, err := q.Admit(t.Context(), admission.KindList, r, "")
		if err != nil {
			t.Fatalf("%s: %v", client, err)
		}
		defer done()
	}
}

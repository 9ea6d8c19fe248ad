package forward

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/stream"
)

func itemOf(lane string) *item { return &item{lane: lane, span: &span{}} }

// TestCount checks which failures count towards parking.
func TestCount(t *testing.T) {
	t.Parallel()
	broken, refused := &failure{text: "status 500"}, &failure{text: "status 422", isAboutEvent: true}
	const enough = 3
	fail := func(l *lanes, i *item, f *failure, times int) (isOver bool) {
		for range times {
			isOver = l.count(&i.tries, f, enough)
		}
		return isOver
	}
	for name, c := range map[string]struct {
		do   func(l *lanes, bad *item) bool
		want bool
	}{
		"an outage": {func(l *lanes, bad *item) bool { return fail(l, bad, broken, 100) }, false},
		"an outage behind which the reader waits": {func(l *lanes, bad *item) bool {
			l.succeeded()
			l.hold(true)
			return fail(l, bad, broken, 100)
		}, false},
		"a refusal of the content": {func(l *lanes, bad *item) bool { return fail(l, bad, refused, enough) }, true},
		"others are acknowledged meanwhile": {func(l *lanes, bad *item) bool {
			for range enough {
				fail(l, bad, broken, 1)
				l.succeeded()
			}
			return fail(l, bad, broken, 1)
		}, true},
		"others were, and then comes an outage": {func(l *lanes, bad *item) bool {
			fail(l, bad, broken, 1)
			l.succeeded()
			return fail(l, bad, broken, 100)
		}, false},
		"others were, and now all wait for it": {func(l *lanes, bad *item) bool {
			fail(l, bad, broken, 1)
			l.succeeded()
			l.hold(true)
			return fail(l, bad, broken, enough)
		}, true},
		"others are acknowledged between outages that the sink knows": {func(l *lanes, bad *item) bool {
			for range 100 {
				fail(l, bad, &failure{text: "no connection", isOutage: true}, 2)
				l.succeeded()
			}
			l.hold(true)
			return fail(l, bad, &failure{text: "no connection", isOutage: true}, 1)
		}, false},
		"others wait, too, and could be acknowledged": {func(l *lanes, bad *item) bool {
			fail(l, bad, broken, 1)
			l.succeeded()
			l.hold(true)
			l.add(itemOf("other"))
			return fail(l, bad, broken, 100)
		}, false},
		"two of them": {func(l *lanes, bad *item) bool {
			other := itemOf("other")
			l.add(other)
			fail(l, bad, broken, 1)
			fail(l, other, broken, 1)
			l.succeeded()
			l.hold(true)
			fail(l, bad, broken, 1)
			fail(l, other, broken, 1)
			return fail(l, bad, broken, enough) && fail(l, other, broken, enough)
		}, true},
	} {
		l := newLanes(1, 4, nil)
		bad := itemOf("bad")
		l.add(bad)
		if got := c.do(l, bad); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestTake checks the pauses of lanes and of the receiver, and that nothing is begun once ctx has ended.
func TestTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLanes(1, 1, nil)
		l.add(itemOf("a"))
		l.add(itemOf("b"))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.take(ended); err == nil {
			t.Error("a job after the end")
		}
		began := time.Now()
		a, err := l.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.failed(&failure{retryAfter: time.Hour})
		l.finish(a, false, time.Minute)
		l.succeeded() // another request, that was on its way
		b, err := l.take(t.Context())
		if err != nil || time.Since(began) != time.Hour {
			t.Errorf("a request after %v: %v", time.Since(began), err)
		}
		l.finish(b, true, 2*time.Minute)
		if a, err = l.take(t.Context()); err != nil || a.lanes[0].name != "a" {
			t.Fatalf("got %+v: %v", a, err)
		}
		l.finish(a, false, time.Minute)
		time.Sleep(time.Minute) // the clock of the test: its pause ends while the lane is in the list of them
		l.add(itemOf("a"))
		if len(l.paused) != 0 || len(l.ready) != 1 {
			t.Errorf("%d lanes pause, %d are ready", len(l.paused), len(l.ready))
		}
	})
}

// TestLapsed checks that a process whose lease has ended while it stood still sends nothing.
func TestLapsed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	config := testConfig("", r.url)
	to, err := config.To.open(&config)
	if err != nil {
		t.Fatal(err)
	}
	defer to.close()
	s := &session{config: &config, sink: to, lanes: newLanes(1, 1, nil), logger: slog.New(slog.DiscardHandler)}
	s.window = newWindow(stream.Cursor{}, "", s.lanes.hold)
	s.until.Store(new(time.Now()))
	i := &item{Encoded: stream.Encoded{ID: 1, Envelope: []byte(`{"id":1}`)}, span: s.window.open(), lane: "a"}
	s.window.add(i)
	s.lanes.add(i)
	if err := s.work(t.Context(), t.Context()); !errors.Is(err, errLapsed) {
		t.Errorf("got %v", err)
	}
	if n := r.refuse(nil); n != 0 {
		t.Errorf("%d requests", n)
	}
}

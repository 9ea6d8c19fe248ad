package notify

import (
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
)

// What the first poll of a new session finds is not left for the one after it, which finds nothing: a
// reign that was eager when it lost its session is not any more.
func TestWakerIsNotEagerWithAnotherSession(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	listener := &Listener{name: "a server", wake: make(chan struct{}, 1)}
	writer := pgtest.Connect(t, url)
	r := &leadership{}
	var windows int
	var cut sync.Once
	w, err := NewLeader(listener, url, LeaderOptions{
		MinPoll: time.Millisecond, MaxPoll: time.Millisecond, Window: 10 * time.Millisecond,
		OnPoll: func() {
			pgtest.Exec(t, writer, `insert into pgherald.events (type, data) values ('tick', '{}')`)
			if r.wakesAhead {
				cut.Do(r.session.close)
			} else if windows++; windows > 1000 {
				t.Fatal("the waker was never eager, though each poll found something")
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.leader = w
	if r.session, err = w.openSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.poll(false); err != nil {
		t.Fatal(err)
	}
	if err := r.pollUntilQuiet(t.Context()); err == nil {
		t.Fatal("the session was closed, and its end was not noticed")
	}
	if r.wakesAhead {
		t.Error("it is eager without a session")
	}
	if r.session, err = w.openSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.session.close()
	<-listener.wake
	pgtest.Exec(t, writer, `insert into pgherald.events (type, data) values ('tick', '{}')`)
	if found, err := r.poll(false); err != nil || !found {
		t.Fatalf("the first poll: found %t, %v", found, err)
	}
	select {
	case <-listener.wake:
	default:
		t.Error("what the first poll found has woken nobody")
	}
}

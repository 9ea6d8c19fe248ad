package notify

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/pacing"
)

// A leader that woke its reader ahead when it lost its session must not do so on the next session: the
// wake-up for the first find there would be left to a poll that finds nothing.
func TestLeaderStopsWakingAheadWhenItsSessionIsLost(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	listener := &Listener{name: "a server", wake: make(chan struct{}, 1)}
	writer := pgtest.Connect(t, url)
	term := &leadership{}
	var windows int
	var cut sync.Once
	leader, err := NewLeader(listener, url, LeaderOptions{
		MinPoll: time.Millisecond, MaxPoll: time.Millisecond, Window: 10 * time.Millisecond,
		OnPoll: func() {
			pgtest.Exec(t, writer, `insert into pgherald.events (type, data) values ('tick', '{}')`)
			if term.wakesAhead {
				cut.Do(term.session.close)
			} else if windows++; windows > 1000 {
				t.Fatal("the leader never woke its reader ahead, although each poll found events")
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	term.leader = leader
	if term.session, err = leader.openSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := term.poll(false); err != nil {
		t.Fatal(err)
	}
	if err := term.pollUntilQuiet(t.Context()); err == nil {
		t.Fatal("got no error after the session was closed")
	}
	if term.wakesAhead {
		t.Error("the leader wakes its reader ahead without a session")
	}
	if term.session, err = leader.openSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer term.session.close()
	<-listener.wake
	pgtest.Exec(t, writer, `insert into pgherald.events (type, data) values ('tick', '{}')`)
	if found, err := term.poll(false); err != nil || !found {
		t.Fatalf("the first poll of the new session: got found %t and error %v, want true and none", found, err)
	}
	select {
	case <-listener.wake:
	default:
		t.Error("the reader was not woken for the find of the first poll")
	}
}

// The leader polls shortly before the next fan-out pass of its own server, and for the other servers at
// least once in four times MaxPoll.
func TestLeaderPollsAheadOfTheNextPass(t *testing.T) {
	const ms = time.Millisecond
	for until, want := range map[time.Duration]time.Duration{-time.Hour: ms, 0: ms, 3 * ms / 2: ms, 7 * ms: 5 * ms, 45 * ms: 24 * ms} {
		synctest.Test(t, func(t *testing.T) {
			s := pacing.NewSchedule()
			s.NewPassTime().Set(time.Now().Add(until))
			o := LeaderOptions{Schedule: s}.withDefaults()
			if got := o.nextPoll(ms); got != want {
				t.Errorf("%v before a pass: got %v until the next poll, want %v", until, got, want)
			}
		})
	}
	o := LeaderOptions{}.withDefaults()
	if got := o.nextPoll(3 * ms); got != 3*ms {
		t.Errorf("without a schedule: got %v until the next poll, want %v", got, 3*ms)
	}
}

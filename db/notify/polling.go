package notify

import (
	"context"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/pacing"
)

// pollUntilQuiet polls until a window was quiet, or ctx ends.
func (t *leadership) pollUntilQuiet(ctx context.Context) error {
	opts := &t.leader.opts
	defer t.setWakesAhead(false)
	interval := opts.MinPoll
	for ctx.Err() == nil {
		began, xmax := time.Now(), t.session.seen.Xmax
		polls, finds, err := t.pollWindow(ctx, interval)
		if err != nil {
			return err
		}
		t.leader.retry.Succeeded() // not before: a session may be lost as soon as it leads, again and again
		if finds < pacing.QuietFinds && finds*pacing.QuietShare < polls {
			break
		}
		// The leader's notifications take transaction numbers, too: one for each find.
		written := float64(t.session.seen.Xmax-xmax) - float64(finds)
		interval = min(max(opts.MinPoll, pacing.PollInterval(written/time.Since(began).Seconds())), opts.MaxPoll)
		t.setWakesAhead(2*finds > polls)
	}
	return nil
}

// setWakesAhead sets whether the reader is woken before each poll instead of after a poll that found
// events. When that ends, setWakesAhead wakes the reader once more, for the events of the last poll.
func (t *leadership) setWakesAhead(ahead bool) {
	if t.wakesAhead && !ahead {
		t.wakeReader()
	}
	t.wakesAhead = ahead
}

// pollWindow polls for one window. It returns the number of polls, and how many of them found events.
// With wakesAhead it wakes this server's reader before each poll: the reader then reads at the same
// time, and does not wait for the poll's answer.
func (t *leadership) pollWindow(ctx context.Context, interval time.Duration) (polls, finds int, err error) {
	opts := &t.leader.opts
	var took time.Duration // by the last poll
	for end := time.Now().Add(opts.Window); time.Now().Before(end); {
		opts.OnPoll()
		pause := opts.nextPoll(interval)
		if backoff.Sleep(ctx, max(pause-took, pause/2)) != nil {
			return polls, finds, nil
		}
		began := time.Now()
		if t.wakesAhead {
			t.wakeReader()
		}
		found, err := t.poll(false)
		if err != nil {
			return 0, 0, err
		}
		took = time.Since(began)
		polls++
		if found {
			finds++
		}
	}
	return polls, finds, nil
}

// nextPoll returns the time until the next poll. A server that holds a fan-out pass back needs no poll
// until shortly before the pass. Other servers do, so GatherPolls bounds the wait.
func (o *LeaderOptions) nextPoll(interval time.Duration) time.Duration {
	return max(interval, min(o.Schedule.Delay(pacing.PollAhead), pacing.GatherPolls*o.MaxPoll))
}

// poll announces events that have become visible since the last poll to all servers. It wakes the
// reader of this server, unless the next poll does. draining marks the notification of a leader that
// stops before its drain has ended; see [leaderSession.poll].
func (t *leadership) poll(draining bool) (found bool, err error) {
	found, err = t.session.poll(t.leader.listener.name, draining)
	if found && !t.wakesAhead {
		t.wakeReader()
	}
	return found, err
}

// wakeReader wakes the reader of this server.
func (t *leadership) wakeReader() { signal(t.leader.listener.wake, struct{}{}) }

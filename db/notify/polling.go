package notify

import (
	"context"
	"time"
)

// The waker rests again when in one window less than quietFinds of its polls found something, and
// less than one in quietShare: some 50 commits a second. It is up from twice that rate on (see
// ringMeter), so that a steady load does not have it come and go.
const (
	quietFinds = 10
	quietShare = 3
)

// pollInterval is how long to wait between polls at a rate of transactions per second: 1 ms up to
// 1,000, and 3.5 ms longer for each thousand beyond. Where few write, what they gain is that their
// events come soon, and the machine has time to look; where many do, each look takes time from them.
func pollInterval(rate float64) time.Duration {
	return time.Duration(float64(time.Millisecond) * (1 + 3.5*max(0, rate-1000)/1000))
}

// pollAhead is how long before streams are written to the log is looked at for them.
const pollAhead = 2 * time.Millisecond

// gathering is how many times MaxPoll a waker waits at most while its server gathers events for its
// streams.
const gathering = 4

// pause is how long to wait for the next poll. A server that gathers events for its streams has no
// need of looking more often than they are written to; it still looks for the other servers.
func (o *LeaderOptions) pause(interval time.Duration) time.Duration {
	if o.NextPass == nil {
		return interval
	}
	return max(interval, min(time.Until(o.NextPass())-pollAhead, gathering*o.MaxPoll))
}

// watch polls until it is quiet, or ctx ends.
func (r *term) watch(ctx context.Context) error {
	opts := &r.leader.opts
	defer r.beEager(false)
	interval := opts.MinPoll
	for ctx.Err() == nil {
		began, xmax := time.Now(), r.session.seen.Xmax
		polls, finds, err := r.window(ctx, interval)
		if err != nil {
			return err
		}
		if finds < quietFinds && finds*quietShare < polls {
			break
		}
		written := float64(r.session.seen.Xmax-xmax) - float64(finds) // each NOTIFY of ours has a number, too
		interval = min(max(opts.MinPoll, pollInterval(written/time.Since(began).Seconds())), opts.MaxPoll)
		r.beEager(2*finds > polls)
	}
	return nil
}

// beEager sets whether the reader is woken for each poll. What the last poll found was left for the next
// one, which does not do so any more if it is not.
func (r *term) beEager(eager bool) {
	if r.eager && !eager {
		r.wakeReader()
	}
	r.eager = eager
}

// window polls for one window. When most polls find something, the reader of this server is woken
// before each, so that it reads at the same time and need not wait for the answer.
func (r *term) window(ctx context.Context, interval time.Duration) (polls, finds int, err error) {
	opts := &r.leader.opts
	var took time.Duration // the last poll
	for end := time.Now().Add(opts.Window); time.Now().Before(end); {
		pause := opts.pause(interval)
		if sleep(ctx, max(pause-took, pause/2)) != nil {
			return polls, finds, nil
		}
		began := time.Now()
		if r.eager {
			r.wakeReader()
		}
		found, err := r.poll(false)
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

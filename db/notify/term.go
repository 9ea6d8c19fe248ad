package notify

import (
	"context"
	"math/rand/v2"
	"time"
)

// maxDrainInterval bounds the time between polls that wait for long transactions.
const maxDrainInterval = 250 * time.Millisecond

// claims is how often a waker tries to get the lock, which writers hold for an instant each.
const claims = 20

// reign is one time that a waker is up: from the lock to the last transaction that may have relied
// on it. It survives the loss of its session.
type term struct {
	leader  *Leader
	session *leaderSession
	holder  uint32 // the backend that had the lock last, and may still have it when its session is lost
	owing   bool   // it had the lock, and there may be transactions that relied on that
	eager   bool   // the reader of this server is woken for each poll, and not for what it finds
}

// run is a reign on one session. It returns nil when nothing is owed any more, or when ctx ended.
func (r *term) run(ctx context.Context) (err error) {
	w := r.leader
	if r.session, err = w.openSession(ctx); err != nil {
		return err
	}
	defer r.session.close()
	w.opts.OnStep(StepOpened)
	locked, err := r.claim(ctx)
	if err != nil || !locked {
		return err
	}
	for {
		after, err := r.up(ctx)
		if err != nil {
			return err
		}
		if again, err := r.drain(ctx, after); err != nil || !again {
			return err
		}
	}
}

// claim tries to get the lock. If another waker has it there is nothing left to do, also for one that
// owes something: the other finds it. A session that this reign has lost is ended first; a backend that
// is frozen takes its time.
func (r *term) claim(ctx context.Context) (bool, error) {
	w := r.leader
	for n := 0; n < claims; n++ {
		locked, err := r.session.tryLock()
		if err != nil {
			return false, err
		}
		if locked {
			r.owing, r.holder = true, r.session.backend()
			return true, nil
		}
		pause := w.opts.MaxPoll/2 + rand.N(w.opts.MaxPoll)
		held, err := r.endHolder()
		if err != nil {
			return false, err
		}
		if held {
			n, pause = 0, 10*pause
		}
		if sleep(ctx, pause) != nil {
			break
		}
	}
	r.owing = false
	return false, nil
}

// endHolder ends the session that this reign has lost, and reports whether it is still there.
func (r *term) endHolder() (bool, error) {
	if r.holder == 0 {
		return false, nil
	}
	return r.session.end(r.holder)
}

// up polls while it holds the lock, until it is quiet, and gives the lock back. It returns the number
// below which transactions may have seen the lock held.
func (r *term) up(ctx context.Context) (after uint64, err error) {
	w := r.leader
	w.opts.OnStep(StepLocked)
	if _, err := r.poll(false); err != nil {
		return 0, err
	}
	w.become(leaderLeading)
	w.opts.OnStep(StepLeading)
	if err := r.watch(ctx); err != nil {
		return 0, err
	}
	w.opts.OnStep(StepQuiet)
	select { // those who rang before they saw the lock
	case <-w.listener.busy:
	default:
	}
	if after, err = r.session.unlock(); err != nil {
		return 0, err
	}
	w.opts.OnStep(StepReleased)
	return after, nil
}

// drain polls after the lock was given back, until every transaction below after has ended. It reports
// whether it has the lock again, because writers ring too often. When ctx ends first, another server is
// asked to take over what is left.
func (r *term) drain(ctx context.Context, after uint64) (again bool, err error) {
	w := r.leader
	if _, err := r.poll(false); err != nil {
		return false, err
	}
	w.become(leaderDraining)
	w.opts.OnStep(StepDraining)
	for began := time.Now(); !r.session.over(after); {
		if ctx.Err() != nil {
			_, err := r.poll(true)
			return false, err
		}
		if again, err := r.takeUp(); again || err != nil {
			return again, err
		}
		_ = sleep(ctx, drainInterval(w.opts.MaxPoll, time.Since(began)))
		if _, err := r.poll(false); err != nil {
			return false, err
		}
	}
	r.owing = false
	w.opts.OnStep(StepDrained)
	return false, nil
}

// takeUp takes the lock again if writers ring too often.
func (r *term) takeUp() (bool, error) {
	select {
	case <-r.leader.listener.busy:
		return r.session.tryLock()
	default:
		return false, nil
	}
}

// drainInterval grows with the age of what is waited for: who has waited for a transaction of ten
// seconds can wait for another fifth of one, and polling costs something.
func drainInterval(shortest, waited time.Duration) time.Duration {
	return max(shortest, min(waited/50, maxDrainInterval))
}

// poll looks for what is new, announces it to the other servers, and wakes the reader of this one.
// An eager reign does so with the next poll.
func (r *term) poll(leaving bool) (bool, error) {
	found, err := r.session.poll(r.leader.listener.name, leaving)
	if found && !r.eager {
		r.wakeReader()
	}
	return found, err
}

func (r *term) wakeReader() { signal(r.leader.listener.wake, struct{}{}) }

// sleep waits, and returns an error if ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

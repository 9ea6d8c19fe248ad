package notify

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/pacing"
	"github.com/pgherald/pgherald/stream/status"
)

// leadership is the time of a leader between two idle states: one or more terms, each followed by a
// drain. After the loss of its session, run continues it on another one.
type leadership struct {
	leader  *Leader
	session *leaderSession
	// lockBackend is the PID of the backend that acquired the lock last; 0 if none has. After the loss
	// of the session, that backend may still hold the lock.
	lockBackend uint32
	// mustDrain is set from the acquisition of the lock until a drain has ended: transactions may be
	// open that sent no NOTIFY because the lock was held.
	mustDrain bool
	// wakesAhead is set while the reader of this server is woken before each poll, not after a poll
	// that found events.
	wakesAhead bool
}

// run leads and drains on one session. It returns nil when another server leads, when a drain has
// ended, or when ctx has.
func (t *leadership) run(ctx context.Context) (err error) {
	l := t.leader
	if t.session, err = l.openSession(ctx); err != nil {
		return err
	}
	defer t.session.close()
	l.opts.OnStep(StepConnected)
	acquired, err := t.campaign(ctx)
	if err == nil && !acquired {
		l.retry.Succeeded()
	}
	if err != nil || !acquired {
		return err
	}
	for {
		boundary, err := t.lead(ctx)
		if err != nil {
			return err
		}
		if again, err := t.drain(ctx, boundary); err != nil || !again {
			return err
		}
	}
}

// campaign tries to acquire the lock, and reports whether it has. If a session that this leadership has
// lost still holds the lock, campaign terminates its backend and retries without a limit, because a
// frozen backend may end late. If another server holds the lock, nothing is left to drain here: that
// server's first poll and drain cover it.
func (t *leadership) campaign(ctx context.Context) (acquired bool, err error) {
	l := t.leader
	for n := 0; n < pacing.LockAttempts; n++ {
		acquired, err := t.session.tryLock()
		if err != nil {
			return false, err
		}
		if acquired {
			t.mustDrain, t.lockBackend = true, t.session.backend()
			return true, nil
		}
		pause := l.opts.MaxPoll/2 + rand.N(l.opts.MaxPoll)
		held, err := t.terminateLostBackend()
		if err != nil {
			return false, err
		}
		if held {
			n, pause = 0, 10*pause
		}
		if backoff.Sleep(ctx, pause) != nil {
			break
		}
	}
	t.mustDrain = false
	return false, nil
}

// terminateLostBackend terminates the backend of the session that this leadership has lost, and
// reports whether it still held the lock.
func (t *leadership) terminateLostBackend() (held bool, err error) {
	if t.lockBackend == 0 {
		return false, nil
	}
	return t.session.terminate(t.lockBackend)
}

// lead runs one term: it polls until the writers are quiet or ctx ends, and releases the lock. Every
// transaction that saw the lock held has a number below the boundary.
func (t *leadership) lead(ctx context.Context) (boundary uint64, err error) {
	l := t.leader
	l.opts.OnStep(StepAcquired)
	if _, err := t.poll(false); err != nil {
		return 0, err
	}
	l.setState(status.Leading)
	l.opts.OnStep(StepLeading)
	if err := t.pollUntilQuiet(ctx); err != nil {
		return 0, err
	}
	l.opts.OnStep(StepQuiet)
	select { // discard the request of writers that had not yet seen the lock
	case <-l.listener.leaderWanted:
	default:
	}
	if boundary, err = t.session.unlock(); err != nil {
		return 0, err
	}
	l.opts.OnStep(StepReleased)
	return boundary, nil
}

// drain polls until every transaction below the boundary has ended. It reports whether it has acquired the
// lock again, because writers send many notifications. If ctx ends first, drain requests a successor
// from the other servers.
func (t *leadership) drain(ctx context.Context, boundary uint64) (again bool, err error) {
	l := t.leader
	if _, err := t.poll(false); err != nil {
		return false, err
	}
	l.setState(status.Draining)
	l.opts.OnStep(StepDraining)
	for began := time.Now(); !t.session.haveEnded(boundary); {
		if ctx.Err() != nil {
			_, err := t.poll(true)
			return false, err
		}
		if again, err := t.reacquire(); again || err != nil {
			return again, err
		}
		_ = backoff.Sleep(ctx, pacing.DrainInterval(l.opts.MaxPoll, time.Since(began)))
		if _, err := t.poll(false); err != nil {
			return false, err
		}
	}
	t.mustDrain = false
	l.opts.OnStep(StepDrained)
	return false, nil
}

// reacquire tries to acquire the lock again if the writers send many notifications.
func (t *leadership) reacquire() (acquired bool, err error) {
	select {
	case <-t.leader.listener.leaderWanted:
		return t.session.tryLock()
	default:
		return false, nil
	}
}

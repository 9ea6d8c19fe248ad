package outages

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/outages/judge"
)

// finish ends the writers, waits until the clients have everything, and reads the history.
func (s *soak) finish() *judge.History {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), recoveryLimit)
	defer cancel()
	s.endWriting()
	s.writing.Wait()
	// The servers still write presence. What was committed right before a probe may be visible after it, so that the clients
	// end without it; what was committed before an earlier probe is not.
	s.must(s.probe(ctx))
	last := s.token()
	s.must(s.probe(ctx))
	for _, c := range s.clients { // those too that do not read at the moment
		if !await(ctx, func() bool { return !c.Probe(s.token()).IsZero() }) {
			s.t.Errorf("%s did not receive the last event", c.Name)
		}
	}
	s.endReading()
	s.reading.Wait()
	conn, err := s.pair.connect(ctx, "postgres")
	s.must(err)
	defer conn.Close(ctx)
	h, err := judge.Read(ctx, conn)
	s.must(err)
	h.Held = s.pair.held
	s.window = judge.Window{From: s.began, To: h.Committed(last)}
	return h
}

// check returns what the history says against PostgreSQL, the log and the clients.
func (s *soak) check(h *judge.History) (errs []error) {
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	note(h.CheckLog())
	for _, w := range s.writers {
		note(h.CheckWriters(w.name, w.committed, w.certainRollbacks(s.pair.crashes)))
		s.t.Logf("writer %s: %d turns, %d transactions", w.name, w.turns.Load(), len(w.committed))
	}
	for _, c := range s.clients {
		note(h.CheckClient(&c.Client, s.window))
		note(c.ended())
		note(s.checkSilence(c))
		note(checkResets(c))
		s.t.Logf("%s: %d events, refused %v", c.Name, c.Count(), c.refused)
	}
	return errs
}

// checkSilence checks that no connection was silent for longer than the limit, but for faults that nothing can be said
// in, and for what was a stall.
func (s *soak) checkSilence(c *follower) error {
	for _, silent := range c.silences {
		isShort := silent.to.Sub(silent.from)-s.stalls.within(silent.from, silent.to) <= silenceLimit
		if !isShort && !during(s.excused, silent.from, silent.to) {
			return fmt.Errorf("%s heard nothing from %s for %s", c.Name, silent.from.Format("15:04:05.000"), silent.to.Sub(silent.from))
		}
	}
	return nil
}

// checkResets checks that no client was reset: no fault loses anything.
func checkResets(c *follower) error {
	var errs []error
	for _, reset := range c.Resets(time.Time{}) {
		errs = append(errs, fmt.Errorf("%s got a reset at %s: %s", c.Name, reset.At.Format("15:04:05.000"), reset.Reason))
	}
	return errors.Join(errs...)
}

// during reports whether a time overlaps with one of some periods.
func during(periods []period, from, to time.Time) bool {
	for _, p := range periods {
		if from.Before(p.to) && to.After(p.from) {
			return true
		}
	}
	return false
}

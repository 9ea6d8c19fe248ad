package forward

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/db/consumers"
	"github.com/pgherald/pgherald/stream/backoff"
)

// errGone says that the receiver wants no more events.
var errGone = errors.New("the receiver answers 410 Gone: it wants no more events. The position is kept; drop the consumer, or correct --to and start again")

// retryPark is the pause of a lane whose event cannot be parked: there is no room, or the database is away.
const retryPark = 2 * time.Second

// work does jobs until take ends. Requests and statements end with ctx.
func (s *session) work(ctx, take context.Context) error {
	for {
		j, err := s.lanes.take(take)
		if err != nil {
			return nil // the session ends
		}
		if err := s.do(ctx, j); err != nil {
			return err
		}
	}
}

// do does a job. Its error ends the session.
func (s *session) do(ctx context.Context, j job) error {
	first := j.lanes[0]
	switch {
	case j.isDue:
		return s.replay(ctx, j)
	case j.isParked:
		verdict, err := s.park(ctx, j.items[0], "", true)
		if err == nil && verdict == consumers.IsFree {
			s.lanes.setParked(first, false)
			break
		}
		return s.afterPark(j, verdict, err)
	}
	events := make([]message, len(j.items))
	for n, i := range j.items {
		events[n] = messageOf(i)
	}
	f, err := s.attempt(ctx, events)
	switch {
	case err != nil:
		return err
	case f == nil:
		s.complete(j)
		return nil
	case f.isGone:
		return errGone
	case len(j.items) > 1: // each alone shows which one is refused
		s.lanes.finish(j, false, 0)
		return nil
	}
	i := j.items[0]
	if isOver := s.lanes.count(&i.tries, f, s.config.Attempts); !isOver || i.Loads { // what loads rows would be no barrier any more
		s.lanes.finish(j, false, pauseAfter(i.attempts, f))
		return nil
	}
	verdict, err := s.park(ctx, i, f.text, false)
	if err == nil && verdict == consumers.IsParked {
		s.lanes.setParked(first, true)
		s.logger.Warn("event parked: see pgherald forward list", "id", i.ID, "type", i.Type, "failure", f.text)
	}
	return s.afterPark(j, verdict, err)
}

// pauseAfter returns how long a lane pauses after a number of failures.
func pauseAfter(attempts int, f *failure) time.Duration {
	return max(f.retryAfter, backoff.Pause(minPause, maxPause, attempts-1))
}

// complete finishes a job whose events are acknowledged or parked.
func (s *session) complete(j job) {
	for _, i := range j.items {
		s.window.done(i)
	}
	s.lanes.finish(j, true, 0)
}

// attempt sends events and notes the result. Its error ends the session: without the lease, events may be on their way from another
// process.
func (s *session) attempt(ctx context.Context, events []message) (*failure, error) {
	if s.hasLapsed() {
		return nil, errLapsed
	}
	began := time.Now()
	f := s.sink.send(ctx, events)
	if ctx.Err() != nil && f != nil { // the session ends: that says nothing about the receiver
		return f, nil
	}
	s.config.Metrics.sent(len(events), time.Since(began), f == nil)
	if f == nil {
		s.lanes.succeeded()
		s.outage.Succeeded()
		return nil, nil
	}
	s.lanes.failed(f)
	if !f.isAboutEvent {
		s.outage.Failed(errors.New(f.text))
	}
	return f, nil
}

// eventID returns the id of an event at its receiver. It is the same for each attempt. The hash tells events apart if a failover has lost
// some, and PostgreSQL assigns their ids again.
func eventID(id int64, envelope []byte) string {
	return "evt_" + strconv.FormatInt(id, 10) + "_" + hashOf(envelope)
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// laneOf names the lane of an event: that of its row.
func laneOf(i *item) string {
	if i.Loads {
		return "load " + strconv.FormatInt(i.ID, 10) // nothing is before or behind it
	}
	sum := sha256.Sum256([]byte(strconv.Itoa(len(i.Collection)) + i.Collection + i.Key))
	return hex.EncodeToString(sum[:16])
}

// park parks an event, or with behind set only if its lane has parked events.
func (s *session) park(ctx context.Context, i *item, text string, behind bool) (consumers.Verdict, error) {
	return s.consumer.Park(ctx, consumers.Parked{
		ID: i.ID, Lane: i.lane, Type: i.Type, Key: shorten(i.Key), Envelope: i.Envelope, Attempts: i.attempts, Failure: text,
	}, behind, s.config.MaxParked)
}

// shorten bounds a key that is only shown.
func shorten(key string) string {
	const most = 200
	if len(key) <= most {
		return key
	}
	runes := []rune(key)
	return string(runes[:min(len(runes), most/4)]) + "…"
}

// afterPark finishes a job after an attempt to park its event.
func (s *session) afterPark(j job, verdict consumers.Verdict, err error) error {
	switch {
	case errors.Is(err, consumers.ErrLost):
		return err
	case err != nil:
		s.parking.Failed(err)
	case verdict == consumers.IsParked:
		s.parking.Succeeded()
		s.config.Metrics.events.WithLabelValues("parked").Inc()
		s.complete(j)
		return nil
	default:
		s.parking.Failed(fmt.Errorf("%d events are parked, or %d MiB: replay or drop some", s.config.MaxParked, consumers.MaxParkedBytes>>20))
	}
	s.lanes.finish(j, false, retryPark)
	return nil
}

// replay sends the first parked event of a lane.
func (s *session) replay(ctx context.Context, j job) error {
	of := j.lanes[0]
	p, found, err := s.consumer.First(ctx, of.name)
	switch {
	case err != nil:
		s.parking.Failed(err)
		s.lanes.finish(j, false, retryPark)
		return nil
	case !found: // the next event of the lane shows whether others are left
		s.lanes.endReplay(of)
		s.lanes.finish(j, false, 0)
		return nil
	}
	f, err := s.attempt(ctx, []message{parkedMessage(p.ID, of.name, p.Envelope)})
	pause := time.Duration(0)
	switch {
	case err != nil:
		return err
	case f == nil:
		s.lanes.endTry(of)
		err = s.consumer.Unpark(ctx, p)
	case f.isGone:
		return errGone
	default:
		isOver := s.lanes.count(&of.replays, f, s.config.Attempts)
		pause = pauseAfter(of.replays.attempts, f)
		if isOver || f.isAboutEvent {
			p.Attempts += of.replays.attempts
			s.lanes.endTry(of)
			err = s.consumer.Refuse(ctx, p, f.text)
			s.logger.Warn("parked event refused again", "id", p.ID, "type", p.Type, "failure", f.text)
		}
	}
	switch {
	case errors.Is(err, consumers.ErrLost):
		return err
	case err != nil: // it is sent once more
		s.parking.Failed(err)
		pause = retryPark
	}
	s.lanes.finish(j, false, pause)
	return nil
}

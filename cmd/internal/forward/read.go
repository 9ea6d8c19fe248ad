package forward

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/backoff"
)

// read reads the log from the position on until ctx ends. It returns an error if the log cannot continue there.
func (s *session) read(ctx context.Context) error {
	if position, owed, _ := s.window.state(); owed != "" {
		if err := s.sendReset(ctx, position, owed); err != nil {
			return nil
		}
	}
	for {
		err := s.readFrom(ctx, s.window.end())
		switch {
		case ctx.Err() != nil:
			return nil
		case isLost(err):
			return err
		case err != nil:
			s.reading.Failed(err)
			if s.reading.Wait(ctx) != nil {
				return nil
			}
			continue
		}
		_ = backoff.SleepUntil(ctx, s.config.Poll, s.wake) // the loop looks at ctx
	}
}

// isLost reports whether the log cannot continue at the position.
func isLost(err error) bool {
	return errors.Is(err, stream.ErrPruned) || errors.Is(err, stream.ErrOtherLog) || errors.Is(err, stream.ErrFuture)
}

// readFrom reads everything after a cursor that is visible now.
func (s *session) readFrom(ctx context.Context, from stream.Cursor) error {
	reading, err := s.log.Read(ctx, from)
	if err != nil {
		return err
	}
	s.reading.Succeeded()
	var open *span
	for {
		t, err := s.next(ctx, reading)
		if stream.IsEnd(err) {
			break
		}
		if err != nil {
			return err
		}
		if open == nil {
			open = s.window.open()
		}
		for _, e := range s.encoder.Encode(&t) {
			if err := s.add(ctx, &item{Encoded: e, span: open}); err != nil {
				return err
			}
		}
		if !t.More {
			s.window.close(open, t.Cursor)
			open = nil
		}
	}
	s.window.close(s.window.open(), reading.Cursor())
	return nil
}

// next returns the next transaction or part of one. Unless the log has lost it, it tries again until ctx ends: what was read before stays.
func (s *session) next(ctx context.Context, reading stream.Reading) (stream.Transaction, error) {
	for {
		t, err := reading.Next(ctx, stream.Interest{Everything: true})
		if err == nil || stream.IsEnd(err) || isLost(err) {
			s.reading.Succeeded()
			return t, err
		}
		if ctx.Err() == nil {
			s.reading.Failed(err)
		}
		if err := s.reading.Wait(ctx); err != nil {
			return t, err
		}
	}
}

// add adds an event once there is room. One that loads rows waits for those before it, and returns once it is acknowledged.
func (s *session) add(ctx context.Context, i *item) error {
	i.lane = laneOf(i)
	wait := s.window.waitRoom
	if i.Loads {
		wait = s.window.waitEmpty
	}
	if err := wait(ctx); err != nil {
		return err
	}
	s.window.add(i)
	s.lanes.add(i)
	if i.Loads {
		return s.window.waitEmpty(ctx)
	}
	return nil
}

// sendReset tells the receiver that events are missing, as a stream does. It returns once that is acknowledged.
func (s *session) sendReset(ctx context.Context, position stream.Cursor, reason string) error {
	about := stream.Sync{Mode: stream.ModeReset, Reason: stream.ResetReason(reason)}
	envelope, _ := json.Marshal(struct { // strings cannot fail
		ID        int64       `json:"id"`
		Type      string      `json:"type"`
		Data      stream.Sync `json:"data"`
		Timestamp int64       `json:"timestamp"`
	}{0, stream.TypeSync, about, time.Now().UnixMilli()})
	of := s.window.open()
	i := &item{Encoded: stream.Encoded{Type: stream.TypeSync, Loads: true, At: time.Now(), Envelope: envelope}, span: of, isReset: true}
	// The same for each attempt, whose time differs, but not for a later reset.
	i.request = "rst_" + hashOf([]byte(reason+" "+position.String()))
	err := s.add(ctx, i)
	s.window.close(of, position)
	return err
}

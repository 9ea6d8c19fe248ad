package pgherald

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Stream is a position in the events that a filter selects. It connects while one of its iterators runs, and
// continues where the one before ended. Only one may run at a time.
type Stream struct {
	client   *Client
	filter   Filter
	position *position
	retry    time.Duration // demanded by the server's last retry line
	failures int           // attempts since the last frame
	reason   TokenReason   // for the next request
	rejected bool          // the server rejected the last token
	quickAt  time.Time     // of the last reconnect without a delay
	pages    fallback
}

// errStopped says that the consumer has left its loop.
var errStopped = errors.New("the consumer has stopped")

// sink receives what a stream reads.
type sink interface {
	event(*Event) error
	advanced() error // the transaction of the events before is complete
	interrupted()    // the connection ended, or the server starts over
}

// Stream returns a stream that is not connected yet.
func (c *Client) Stream(f Filter) *Stream {
	return &Stream{
		client: c, filter: f, position: newPosition(f.Since), reason: TokenConnect, pages: newFallback(c.options.Transport),
	}
}

// Cursor returns where the stream continues: after the last complete transaction whose events the loop body has left.
func (s *Stream) Cursor() string { return s.position.cursor }

// IsWithinTransaction reports whether events after the cursor were yielded. They come again if another stream begins
// at the cursor, but not if this one continues.
func (s *Stream) IsWithinTransaction() bool {
	return len(s.position.current)+len(s.position.partial) > 0
}

// Events yields each event as it arrives, with heartbeats, until ctx ends. An error is the last item: ctx's, or one
// that another attempt would not cure, such as a *RefusedError.
func (s *Stream) Events(ctx context.Context) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		err := s.follow(ctx, &eventSink{yield: yield, position: s.position})
		if !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// Transactions yields the events of each transaction together, once it is complete. A Sync or a heartbeat comes alone.
// Errors are those of Events.
func (s *Stream) Transactions(ctx context.Context) iter.Seq2[[]*Event, error] {
	return func(yield func([]*Event, error) bool) {
		err := s.follow(ctx, &transactionSink{yield: yield, position: s.position})
		if !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// eventSink yields events one by one.
type eventSink struct {
	yield    func(*Event, error) bool
	position *position
}

func (s *eventSink) event(e *Event) error {
	if !s.yield(e, nil) {
		return errStopped
	}
	return nil
}

func (*eventSink) advanced() error { return nil }

func (s *eventSink) interrupted() { s.position.interrupt() }

// transactionSink holds the events of a transaction until it is complete. It drops those of one that was cut, since
// they come again.
type transactionSink struct {
	yield    func([]*Event, error) bool
	position *position
	held     []*Event
}

func (s *transactionSink) event(e *Event) error {
	if e.Sync == nil && !e.IsHeartbeat {
		s.held = append(s.held, e)
		return nil
	}
	return s.pass([]*Event{e})
}

func (s *transactionSink) advanced() error {
	held := s.held
	s.held = nil
	if len(held) == 0 {
		return nil
	}
	return s.pass(held)
}

func (s *transactionSink) pass(events []*Event) error {
	if !s.yield(events, nil) {
		return errStopped
	}
	return nil
}

func (s *transactionSink) interrupted() {
	s.held = nil
	s.position.discard()
}

// follow reads the stream until ctx ends, the sink returns an error, or another attempt cannot help. Its error is
// never nil.
func (s *Stream) follow(ctx context.Context, out sink) error {
	for {
		err := s.connect(ctx, out)
		out.interrupted()
		switch {
		case errors.Is(err, errStopped):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case s.changesTransport(err), s.reconnectsAtOnce(err):
			continue
		}
		temporary, after := isTemporary(err)
		if !temporary {
			return err
		}
		s.failures++
		delay := s.client.backoff(max(after, s.retry), s.failures)
		s.client.options.OnStatus(Status{Err: err, RetryIn: delay})
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// reconnectsAtOnce reports whether another token is all that is missing. A server that goes on like that must not make
// the client spin: an expiry within seconds of the last one waits as every failure does.
func (s *Stream) reconnectsAtOnce(err error) bool {
	var refused *RefusedError
	switch {
	case s.client.options.Token == nil:
		return false
	case errors.Is(err, errNeedsToken):
		s.reason = TokenRenew
		isQuick := time.Since(s.quickAt) < minBackoff
		s.quickAt = time.Now()
		return !isQuick
	case errors.As(err, &refused) && refused.Status == 401 && !s.rejected:
		s.reason, s.rejected = TokenRejected, true
		return true
	}
	return false
}

// endOfStream converts the error with which a body has ended.
func endOfStream(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return ErrEnded
	case errors.Is(err, ErrEventTooLong):
		return err
	default:
		return fmt.Errorf("the connection broke: %w", err)
	}
}

// ErrEnded is in a Status if the server ended the stream.
var ErrEnded = errors.New("the server ended the stream")

package forward

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The times of the connection.
const (
	natsConnect   = 5 * time.Second // for an attempt, and to wait for the connection before a message
	natsReconnect = 250 * time.Millisecond
	natsPing      = 10 * time.Second // a connection without two answers is lost
	natsLookUp    = 2 * time.Second  // why nothing answers
)

// errNoJetStream refuses a server that would lose events.
var errNoJetStream = errors.New("JetStream is not enabled at the server, or not for this account: without it NATS delivers at most once. Start nats-server with -js")

// jetStream publishes to a stream of NATS JetStream. It implements sink.
type jetStream struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	link    *natsLink
	subject string
	prefix  string // of the ids of messages: two consumers may publish to one stream
	timeout time.Duration

	mu       sync.Mutex      // held while it looks
	verified context.Context // the connection on which the server has JetStream
}

// newJetStream begins to connect.
func newJetStream(c *Config, o natsOptions) (*jetStream, error) {
	s := &jetStream{link: newNATSLink(), subject: o.subject, prefix: url.PathEscape(c.Name) + "/", timeout: c.Timeout}
	options := append(s.link.options(),
		nats.Name("pgherald forward "+c.Name), nats.Timeout(natsConnect), nats.NoEcho(),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(natsReconnect), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1), // what waits for a connection could arrive after later events
		nats.PingInterval(natsPing), nats.MaxPingsOutstanding(2),
	)
	var err error
	if s.conn, err = nats.Connect(o.servers, append(options, o.options...)...); err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	if s.js, err = jetstream.New(s.conn); err != nil {
		s.conn.Close()
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return s, nil
}

func (s *jetStream) close() { s.conn.Close() }

// send publishes events: side by side, but those of a lane one after the other, since the server may refuse each for itself.
func (s *jetStream) send(ctx context.Context, events []message) *failure {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for len(events) > 0 {
		var now, rest []message
		for n := range events {
			if n > 0 && events[n].lane == events[n-1].lane {
				rest = append(rest, events[n])
			} else {
				now = append(now, events[n])
			}
		}
		if f := s.publishAll(ctx, now); f != nil {
			return f
		}
		events = rest
	}
	return nil
}

// publishAll publishes events of different lanes, and returns the failure of the first that is not acknowledged.
func (s *jetStream) publishAll(ctx context.Context, events []message) *failure {
	if len(events) == 1 {
		return s.publish(ctx, &events[0])
	}
	failures := make([]*failure, len(events))
	var publishing sync.WaitGroup
	for n := range events {
		publishing.Go(func() { failures[n] = s.publish(ctx, &events[n]) })
	}
	publishing.Wait()
	for _, f := range failures {
		if f != nil {
			return f
		}
	}
	return nil
}

// publish publishes an event, and waits for the acknowledgement of its stream.
func (s *jetStream) publish(ctx context.Context, m *message) *failure {
	period, err := s.connected(ctx)
	if err != nil {
		return s.explain(ctx, "", err)
	}
	up, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(period, func() { end(errNoLink) })()
	if err := s.verify(up, period); err != nil {
		return s.explain(ctx, "", errorOf(up, err))
	}
	subject := subjectOf(s.subject, m)
	message := &nats.Msg{Subject: subject, Data: m.envelope, Header: nats.Header{"Content-Type": {"application/json"}}}
	_, err = s.js.PublishMsg(up, message, jetstream.WithMsgID(s.prefix+m.id), jetstream.WithRetryAttempts(0))
	if err == nil {
		return nil
	}
	return s.explain(ctx, subject, errorOf(up, err))
}

// connected waits a moment for the connection.
func (s *jetStream) connected(ctx context.Context) (period context.Context, err error) {
	ctx, cancel := context.WithTimeout(ctx, natsConnect)
	defer cancel()
	return s.link.wait(ctx)
}

// errorOf prefers the loss of the connection to its consequences.
func errorOf(up context.Context, err error) error {
	if errors.Is(context.Cause(up), errNoLink) {
		return errNoLink
	}
	return err
}

// verify returns errNoJetStream if the server of a connection has none: plain subscribers would receive what nothing stores.
func (s *jetStream) verify(up, period context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verified == period {
		return nil
	}
	ctx, cancel := context.WithTimeout(up, natsLookUp)
	defer cancel()
	_, err := s.js.AccountInfo(ctx)
	switch {
	case err == nil:
		s.verified = period
		return nil
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return errNoJetStream
	}
	if denied := s.link.refusal("$JS.API.INFO"); denied != nil {
		return denied
	}
	return fmt.Errorf("ask NATS for JetStream: %w", err)
}

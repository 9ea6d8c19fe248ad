package forward

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// errNoLink says that there is no connection, or that it was lost before an answer came.
var errNoLink = errors.New("connect to NATS: there is no connection")

// natsLink knows whether the connection is up. The client library connects again by itself, but goes on waiting for answers that were lost.
type natsLink struct {
	mu      sync.Mutex
	period  context.Context // of one connection; nil while there is none
	end     context.CancelCauseFunc
	changed chan struct{} // closed at the next change
	denied  error         // the last refusal for a lack of rights
}

func newNATSLink() *natsLink { return &natsLink{changed: make(chan struct{})} }

// options returns the handlers that keep it up to date.
func (l *natsLink) options() []nats.Option {
	return []nats.Option{
		nats.ConnectHandler(func(*nats.Conn) { l.begin() }),
		nats.ReconnectHandler(func(*nats.Conn) { l.begin() }),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { l.lose() }),
		nats.ClosedHandler(func(*nats.Conn) { l.lose() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { l.deny(err) }),
	}
}

func (l *natsLink) begin() {
	l.lose()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.period, l.end = context.WithCancelCause(context.Background())
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *natsLink) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.period != nil {
		l.end(errNoLink)
		l.period, l.end = nil, nil
	}
}

func (l *natsLink) deny(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.denied = err
}

// refusal returns the server's last refusal for a lack of rights if it was about the subject.
func (l *natsLink) refusal(subject string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.denied != nil && strings.Contains(l.denied.Error(), `"`+subject+`"`) {
		return l.denied
	}
	return nil
}

// wait waits for the connection, and returns a context that ends with it.
func (l *natsLink) wait(ctx context.Context) (period context.Context, err error) {
	look := func() (context.Context, <-chan struct{}) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.period, l.changed
	}
	for {
		period, changed := look()
		if period != nil {
			return period, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errNoLink
		}
	}
}

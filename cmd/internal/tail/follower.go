package tail

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	pgherald "github.com/pgherald/pgherald/clients/go"
)

// output receives the events and the status lines, in order.
type output interface {
	event(*pgherald.Event) error
	control(*pgherald.Event) error
	status(format string, args ...any)
}

// follower passes the events of a stream to an output.
type follower struct {
	url    *url.URL
	out    output
	client *pgherald.Client
	stream *pgherald.Stream
}

// newFollower returns a follower of the stream that c describes.
func newFollower(c Config, out output) (*follower, error) {
	f := &follower{url: c.URL, out: out}
	var err error
	f.client, err = pgherald.New(c.URL.String(), pgherald.Options{
		Header: c.Header, IdleTimeout: c.IdleTimeout, OnStatus: f.onStatus,
	})
	if err != nil {
		return nil, err
	}
	f.stream = f.client.Stream(pgherald.Filter{})
	return f, nil
}

// follow reads the stream until ctx ends, the output returns an error, or another attempt cannot help. Its error is
// never nil.
func (f *follower) follow(ctx context.Context) error {
	f.out.status("connecting to %s", f.url.Redacted())
	for event, err := range f.stream.Events(ctx) {
		switch {
		case err != nil && ctx.Err() == nil:
			return explain(f.url, err)
		case err != nil:
			return err
		}
		deliver := f.out.event
		if event.Sync != nil || event.IsHeartbeat {
			deliver = f.out.control
		}
		if err := deliver(event); err != nil {
			return err
		}
	}
	return errors.New("follow the stream: it ended")
}

func (f *follower) onStatus(s pgherald.Status) {
	if s.Skipped {
		f.out.status("skipped a frame that is not an event of pgherald: %s", plain(s.Err.Error()))
		return
	}
	if s.RetryIn == 0 { // pages instead of a stream
		f.out.status("%s", plain(s.Err.Error()))
		return
	}
	f.out.status("%s; retrying in %s", plain(s.Err.Error()), brief(s.RetryIn))
}

// brief formats a duration with as many digits as a person needs.
func brief(d time.Duration) string {
	if d < time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// explain says what to change after an error that another attempt would not cure.
func explain(u *url.URL, err error) error {
	var refused *pgherald.RefusedError
	if errors.As(err, &refused) {
		return fmt.Errorf("follow %s: %s: %s", u.Redacted(), plain(err.Error()), advice(refused.Status))
	}
	return fmt.Errorf("follow %s: %w", u.Redacted(), err)
}

// advice says what to change after a response that is no stream.
func advice(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "check --types, --since and the query of the URL"
	case http.StatusUnauthorized:
		return "authenticate with --header='Authorization: Bearer TOKEN'"
	case http.StatusForbidden:
		return "this user may not follow the stream: request the right, or authenticate as another user with --header"
	case http.StatusOK, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return "there is no stream: give the base URL of a pgherald server, or a full URL that ends in " + eventsPath
	default:
		return "another attempt would not help"
	}
}

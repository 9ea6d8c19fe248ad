// Package tail follows an event stream of pgherald and prints its events to a terminal or, as
// JSON, to a program.
//
// It reconnects as often as necessary:
//
//	clients/go ──► follower ──► printer ──► stdout: events
//	 connects,                   formats     stderr: status lines
//	 resumes, drops
//	 events sent again
//
// It promises:
//
//   - Every event is printed once, also across reconnects. A transaction that the connection cut
//     in two is sent again as a whole; the part that was already printed is dropped.
//   - After a broken or silent connection or a temporary refusal (5xx, 429) it connects again and
//     resumes at the last cursor. A permanent refusal is an error that says what to change.
//   - Stdout receives events only. It removes control characters from the server's text, or escapes
//     them in JSON, which keeps the value.
package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// eventsPath is the path of the stream on a pgherald server.
const eventsPath = "/api/events"

// Config says which stream to follow and how to print it.
type Config struct {
	URL         *url.URL      // of the stream, see StreamURL
	Header      http.Header   // sent with each request
	IdleTimeout time.Duration // silence after which a connection counts as dead

	Stdout, Stderr io.Writer
	JSON           bool   // print events as JSON, one a line, instead of text
	Heartbeats     bool   // show heartbeats
	Syncs          bool   // with JSON: print sync events to Stdout, too
	Quiet          bool   // print no status lines
	Count          int    // end after this number of events; 0: never
	Color          string // auto, always or never
}

// Run follows the stream until ctx ends or Count events are printed; it then returns nil. It returns
// an error if another attempt cannot help.
func (c Config) Run(ctx context.Context) error {
	p := newPrinter(c.Stdout, c.Stderr, printOptions{
		json:        c.JSON,
		heartbeats:  c.Heartbeats,
		syncs:       c.Syncs,
		quiet:       c.Quiet,
		count:       c.Count,
		color:       wantsColor(c.Color, c.Stdout),
		statusColor: wantsColor(c.Color, c.Stderr),
		width:       widthOf(c.Stdout),
		now:         time.Now,
	})
	f, err := newFollower(c, p)
	if err != nil {
		return err
	}
	defer f.client.Close()
	err = f.follow(ctx)
	p.resumeHint(f.stream.Cursor(), f.stream.IsWithinTransaction())
	if ctx.Err() != nil || errors.Is(err, errCountReached) {
		return nil
	}
	return err
}

// StreamURL returns the URL of a stream for what a user typed: the base URL of a server, with or
// without a scheme, or the full URL of a stream. Non-empty types and since become query parameters.
// Its errors never repeat a password.
func StreamURL(text string, types []string, since string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		// The error of url.Parse repeats its input, which may hold a password.
		return nil, errors.New("parse the server's URL: give one like http://127.0.0.1:8080")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("follow %s: give a URL like http://127.0.0.1:8080", u.Redacted())
	}
	if !strings.HasSuffix(u.Path, eventsPath) {
		u = u.JoinPath(eventsPath)
	}
	query := u.Query()
	if len(types) > 0 {
		query.Set("types", strings.Join(types, ","))
	}
	if since != "" {
		query.Set("since", since)
	}
	u.RawQuery, u.Fragment = query.Encode(), ""
	return u, nil
}

// ParseHeader parses lines of the form NAME:VALUE. Its errors never repeat a value, which may be a
// secret.
func ParseHeader(lines []string) (http.Header, error) {
	h := make(http.Header)
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %d is not of the form NAME:VALUE", i+1)
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}

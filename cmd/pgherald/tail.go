package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// eventsPath is where a pgherald server streams.
const eventsPath = "/api/events"

// tailCmd follows a stream in the terminal.
type tailCmd struct {
	URL         string        `arg:"" optional:"" default:"http://127.0.0.1:8080" env:"PGHERALD_URL" help:"Server to follow: its base URL, or the full URL of a stream."`
	JSON        bool          `name:"json" help:"Print events as the server sent them, one JSON object per line."`
	Types       []string      `placeholder:"TYPE" help:"Only events of these types."`
	Since       string        `placeholder:"CURSOR" help:"Go on after this cursor instead of from now."`
	Count       int           `short:"n" placeholder:"N" help:"Exit after N events."`
	Heartbeats  bool          `help:"Show heartbeats too."`
	Syncs       bool          `help:"With --json: print sync events to stdout too."`
	Quiet       bool          `short:"q" help:"Say nothing about the connection."`
	Header      []string      `short:"H" sep:"none" placeholder:"NAME:VALUE" help:"Send this header with each request; may be repeated."`
	IdleTimeout time.Duration `default:"75s" env:"PGHERALD_IDLE_TIMEOUT" help:"Reconnect when nothing at all arrives for so long: 2.5 heartbeats."`
	Color       string        `enum:"auto,always,never" default:"auto" env:"PGHERALD_COLOR" help:"Colour the output (${enum}); auto means on a terminal, unless NO_COLOR is set."`
}

// Help is shown by pgherald tail --help.
func (tailCmd) Help() string {
	return `Follows the stream for ever: whenever the connection breaks it goes on where it was, and no event is printed twice.
It ends with Ctrl-C, after --count events, or when the server refuses what was asked.

Stdout holds events and nothing else, one a line. What happens to the connection is told on stderr, and with it the cursor to give to --since next time.

With --json, sync events (live, resumed, reset, draining) and heartbeats are on stdout only if --syncs and --heartbeats ask for them. A reset means that events may be missing: fetch the state anew.`
}

// Validate is called by kong.
func (c *tailCmd) Validate() error {
	if _, err := c.streamURL(); err != nil {
		return err
	}
	if c.Count < 0 {
		return errors.New("--count must not be negative")
	}
	if c.IdleTimeout <= 0 {
		return errors.New("--idle-timeout must be more than 0")
	}
	if slices.Contains(c.Types, "") {
		return errors.New("--types has an empty type in it: give a list such as activity_created,activity_updated")
	}
	_, err := c.headers()
	return err
}

// Run follows until a.ctx ends, which is no error.
func (c tailCmd) Run(a *app) error {
	u, err := c.streamURL()
	if err != nil {
		return err
	}
	header, err := c.headers()
	if err != nil {
		return err
	}
	p := newTailPrinter(a.stdout, a.stderr, c.printOptions(a))
	f := &follower{
		client: tailHTTPClient(),
		url:    u,
		header: header,
		idle:   c.IdleTimeout,
		out:    p,
		jitter: func(d time.Duration) time.Duration { return rand.N(d) },
		once:   newOnceGuard(),
	}
	err = f.follow(a.ctx)
	p.left(f.cursor, len(f.once.open) > 0)
	if a.ctx.Err() != nil || errors.Is(err, errCounted) {
		return nil
	}
	return err
}

func (c *tailCmd) printOptions(a *app) tailPrintOptions {
	return tailPrintOptions{
		json:        c.JSON,
		heartbeats:  c.Heartbeats,
		syncs:       c.Syncs,
		quiet:       c.Quiet,
		count:       c.Count,
		color:       wantsColor(c.Color, a.stdout),
		statusColor: wantsColor(c.Color, a.stderr),
		width:       widthOf(a.stdout),
		now:         time.Now,
	}
}

// streamURL makes the URL of the stream from what a person may have typed.
func (c *tailCmd) streamURL() (*url.URL, error) {
	text := c.URL
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		// url.Parse repeats its input, which may hold a password.
		return nil, errors.New("parse the server's URL: give one such as http://127.0.0.1:8080")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("follow %s: give a URL such as http://127.0.0.1:8080", u.Redacted())
	}
	if !strings.HasSuffix(u.Path, eventsPath) {
		u = u.JoinPath(eventsPath)
	}
	query := u.Query()
	if len(c.Types) > 0 {
		query.Set("types", strings.Join(c.Types, ","))
	}
	if c.Since != "" {
		query.Set("since", c.Since)
	}
	u.RawQuery, u.Fragment = query.Encode(), ""
	return u, nil
}

func (c *tailCmd) headers() (http.Header, error) {
	h := make(http.Header)
	for i, line := range c.Header {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			// The value may be a secret, so it is not repeated.
			return nil, fmt.Errorf("--header %d is not of the form NAME:VALUE", i+1)
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}

// tailHTTPClient has no time-out of its own: the watchdog has. A compressed stream would be held
// back by whoever compresses it.
func tailHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	return &http.Client{Transport: t}
}

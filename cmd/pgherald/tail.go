package main

import (
	"errors"
	"slices"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/tail"
)

// tailCmd holds the flags of pgherald tail.
type tailCmd struct {
	URL         string        `arg:"" optional:"" default:"http://127.0.0.1:8080" env:"PGHERALD_URL" help:"Server to follow: its base URL, or the full URL of a stream."`
	JSON        bool          `name:"json" help:"Print events as the server sent them, one JSON object per line."`
	Types       []string      `placeholder:"TYPE" help:"Print events of these types only."`
	Since       string        `placeholder:"CURSOR" help:"Resume after this cursor instead of starting now."`
	Count       int           `short:"n" placeholder:"N" help:"Exit after N events."`
	Heartbeats  bool          `help:"Show heartbeats too."`
	Syncs       bool          `help:"With --json: print sync events to stdout too."`
	Quiet       bool          `short:"q" help:"Print no status of the connection."`
	Header      []string      `short:"H" sep:"none" secret:"header" env:"PGHERALD_HEADER" placeholder:"NAME:VALUE" help:"Send this header with each request; repeatable. Other users can read a command line: with a token, use the variable."`
	IdleTimeout time.Duration `default:"75s" env:"PGHERALD_IDLE_TIMEOUT" help:"Reconnect after this long without a single byte, not even a heartbeat."`
	Color       string        `enum:"auto,always,never" default:"auto" env:"PGHERALD_COLOR" help:"Colour the output (${enum}); auto means on a terminal, unless NO_COLOR is set."`
}

// Help returns the text below the flags in --help.
func (tailCmd) Help() string {
	return `Follows the stream until Ctrl-C, until --count events are printed, or until the server refuses the request permanently. After a broken connection it resumes where it was, and prints no event twice.

Stdout receives events only, one a line. Stderr receives the state of the connection and, at the end, the cursor for --since.

With --json, stdout receives sync events (live, resumed, reset, draining) only with --syncs, and heartbeats only with --heartbeats. A reset means that events may be missing: fetch the current state again.`
}

// Validate returns an error for invalid flags. kong calls it.
func (c *tailCmd) Validate() error {
	if c.Count < 0 {
		return errors.New("--count must not be negative")
	}
	if c.IdleTimeout <= 0 {
		return errors.New("--idle-timeout must be more than 0")
	}
	if slices.Contains(c.Types, "") {
		return errors.New("--types contains an empty type: give a list like activity_created,activity_updated")
	}
	_, err := c.config()
	return err
}

// Run follows the stream until a.ctx ends.
func (c *tailCmd) Run(a *app) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	config.Stdout, config.Stderr = a.stdout, a.stderr
	return config.Run(a.ctx)
}

// config converts the flags to a tail.Config without outputs.
func (c *tailCmd) config() (tail.Config, error) {
	u, err := tail.StreamURL(c.URL, c.Types, c.Since)
	if err != nil {
		return tail.Config{}, err
	}
	header, err := tail.ParseHeader(c.Header)
	return tail.Config{
		URL: u, Header: header, IdleTimeout: c.IdleTimeout,
		JSON: c.JSON, Heartbeats: c.Heartbeats, Syncs: c.Syncs, Quiet: c.Quiet, Count: c.Count, Color: c.Color,
	}, err
}

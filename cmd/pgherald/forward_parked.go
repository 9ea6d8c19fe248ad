package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/forward"
)

type forwardListCmd struct {
	consumerFlags
	JSON bool `name:"json" help:"Print one JSON object per line, with the event."`
	Max  int  `default:"100" placeholder:"N" help:"Print at most N events, the oldest first (default ${default})."`
}

// Run prints the parked events.
func (c forwardListCmd) Run(a *app) error {
	parked, err := forward.List(a.ctx, c.DatabaseURL, c.Name, c.Max)
	if err != nil {
		return err
	}
	for _, p := range parked {
		if c.JSON {
			line, err := json.Marshal(p)
			if err != nil {
				return fmt.Errorf("print the event %d: %w", p.ID, err)
			}
			fmt.Fprintf(a.stdout, "%s\n", line)
			continue
		}
		why := p.Failure
		if why == "" {
			why = "waits for an earlier event of its key"
		}
		fmt.Fprintf(a.stdout, "%d\t%s\t%s\tkey %q\t%d attempts\t%s\n", p.ID, p.At.UTC().Format(time.RFC3339), p.Type, p.Key, p.Attempts, why)
	}
	return nil
}

// selectionFlags choose parked events.
type selectionFlags struct {
	consumerFlags
	ID  []int64 `name:"id" placeholder:"ID" help:"The events with these ids."`
	All bool    `help:"All parked events."`
}

// Validate returns an error unless the choice is clear. kong calls it.
func (f selectionFlags) Validate() error {
	if (len(f.ID) == 0) != f.All {
		return errors.New("choose events with --id or --all")
	}
	return nil
}

type forwardReplayCmd struct{ selectionFlags }

// Run makes parked events due.
func (c forwardReplayCmd) Run(a *app) error {
	return c.change(a, forward.Replay, "events will be sent again by the process that forwards, with the later ones of their keys")
}

type forwardDropCmd struct{ selectionFlags }

// Run removes parked events.
func (c forwardDropCmd) Run(a *app) error { return c.change(a, forward.Drop, "events dropped") }

func (f selectionFlags) change(a *app, do func(context.Context, string, string, []int64) (int64, error), done string) error {
	n, err := do(a.ctx, f.DatabaseURL, f.Name, f.ID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, n, done)
	return err
}

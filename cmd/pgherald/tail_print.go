package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// errCounted ends the tail after --count events.
var errCounted = errors.New("all events that were asked for are printed")

// tailPrintOptions is how to print.
type tailPrintOptions struct {
	json        bool // envelopes instead of lines for people
	heartbeats  bool
	syncs       bool // to stdout, with json
	quiet       bool // no status lines
	count       int  // of events, after which it is enough; 0 is never
	color       bool
	statusColor bool
	width       func() int // of the terminal; 0 if there is none
	now         func() time.Time
}

// tailPrinter prints events to stdout, and what happens to the connection to stderr. It
// implements tailOutput.
type tailPrinter struct {
	tailPrintOptions
	out     io.Writer
	err     io.Writer
	day     string // of the last event; today at first
	printed int
}

func newTailPrinter(stdout, stderr io.Writer, o tailPrintOptions) *tailPrinter {
	return &tailPrinter{tailPrintOptions: o, out: stdout, err: stderr, day: o.now().Format(time.DateOnly)}
}

func (p *tailPrinter) event(e *envelope) error {
	var err error
	if p.json {
		err = p.envelope(e)
	} else {
		p.tellDay(e)
		_, err = io.WriteString(p.out, eventLine(e, newLine(p.width(), p.color)))
	}
	if err != nil {
		return fmt.Errorf("write event to stdout: %w", err)
	}
	if p.printed++; p.count > 0 && p.printed >= p.count {
		return errCounted
	}
	return nil
}

func (p *tailPrinter) envelope(e *envelope) error {
	_, err := io.WriteString(p.out, plainJSON(e.Raw)+"\n")
	return err
}

// tellDay says from which day events are, as their lines have only the time.
func (p *tailPrinter) tellDay(e *envelope) {
	if day := time.UnixMilli(e.Timestamp).Format(time.DateOnly); day != p.day {
		p.day = day
		p.status("%s:", day)
	}
}

func (p *tailPrinter) control(e *envelope) error {
	if e.Type == stream.TypeHeartbeat {
		return p.heartbeat(e)
	}
	sync := syncOf(e)
	p.status("%s", syncText(sync))
	if p.json && p.syncs {
		if err := p.envelope(e); err != nil {
			return fmt.Errorf("write sync event to stdout: %w", err)
		}
	}
	return nil
}

func (p *tailPrinter) heartbeat(e *envelope) error {
	switch {
	case !p.heartbeats:
		return nil
	case p.json:
		return p.envelope(e)
	default:
		p.status("heartbeat")
		return nil
	}
}

// syncText says what a sync event means for who watches.
func syncText(s stream.Sync) string {
	switch s.Mode {
	case stream.ModeLive:
		return "live: events from now on"
	case stream.ModeResumed:
		return resumedText(s.Events)
	case stream.ModeReset:
		return "RESET: events may be missing before this line: " + resetText(string(s.Reason)) + "; live from now on"
	case stream.ModeDraining:
		return "the server is shutting down; going on elsewhere"
	default:
		return "sync " + string(s.Mode)
	}
}

func resumedText(events *int) string {
	switch {
	case events == nil:
		return "resumed: what was missed follows"
	case *events == 0:
		return "resumed: nothing was missed"
	case *events == 1:
		return "resumed: 1 event that was missed follows"
	default:
		return fmt.Sprintf("resumed: %d events that were missed follow", *events)
	}
}

func resetText(reason string) string {
	switch reason {
	case "malformed":
		return "the cursor is none of pgherald's"
	case "other_log":
		return "the cursor is from another log, or from before the database was restored or failed over"
	case "pruned":
		return "the cursor is older than what the log still holds"
	case "future":
		return "the cursor is ahead of the log"
	case "":
		return "the server did not say why"
	default:
		return reason
	}
}

// status prints a line about the connection, dimmed and with the time.
func (p *tailPrinter) status(format string, args ...any) {
	if p.quiet {
		return
	}
	l := newLine(0, p.statusColor)
	l.add(styleDim, p.now().Format(tailTime)+" -- "+fmt.Sprintf(format, args...))
	// Nobody to tell that stderr cannot be written to.
	_, _ = io.WriteString(p.err, l.String())
}

// left says how to go on. A transaction of which only a part arrived comes again then.
func (p *tailPrinter) left(cursor string, torn bool) {
	switch {
	case cursor == "":
	case torn:
		p.status("to go on: --since=%s (the last transaction was not complete, and comes again)", cursor)
	default:
		p.status("to go on: --since=%s", cursor)
	}
}

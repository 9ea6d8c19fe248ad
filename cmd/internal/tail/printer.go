package tail

import (
	"errors"
	"fmt"
	"io"
	"time"

	pgherald "github.com/pgherald/pgherald/clients/go"
)

// errCountReached ends the tail after Config.Count events.
var errCountReached = errors.New("all requested events are printed")

// printOptions says what a printer prints and how.
type printOptions struct {
	json        bool // events as JSON instead of text
	heartbeats  bool
	syncs       bool       // with json: sync events on stdout, too
	quiet       bool       // no status lines
	count       int        // events after which printing ends; 0: never
	color       bool       // on stdout
	statusColor bool       // on stderr
	width       func() int // of the terminal, in columns; 0 if there is none
	now         func() time.Time
}

// printer prints events to stdout and the state of the connection to stderr. It implements output.
type printer struct {
	printOptions
	out     io.Writer
	err     io.Writer
	day     string // of the last event; today at first
	printed int
}

func newPrinter(stdout, stderr io.Writer, o printOptions) *printer {
	return &printer{printOptions: o, out: stdout, err: stderr, day: o.now().Format(time.DateOnly)}
}

// event prints an event of the log. It returns errCountReached after the last requested one.
func (p *printer) event(e *pgherald.Event) error {
	var err error
	if p.json {
		err = p.envelope(e)
	} else {
		p.printDay(e)
		_, err = io.WriteString(p.out, eventLine(e, newLine(p.width(), p.color)))
	}
	if err != nil {
		return fmt.Errorf("write the event to stdout: %w", err)
	}
	if p.printed++; p.count > 0 && p.printed >= p.count {
		return errCountReached
	}
	return nil
}

func (p *printer) envelope(e *pgherald.Event) error {
	_, err := io.WriteString(p.out, plainJSON(string(e.Raw))+"\n")
	return err
}

// printDay prints the day of an event if it differs from that of the last one, as event lines have only
// the time.
func (p *printer) printDay(e *pgherald.Event) {
	if day := time.UnixMilli(e.Timestamp).Format(time.DateOnly); day != p.day {
		p.day = day
		p.status("%s:", day)
	}
}

// control prints a control event, if the options select it.
func (p *printer) control(e *pgherald.Event) error {
	if e.IsHeartbeat {
		return p.heartbeat(e)
	}
	p.status("%s", syncText(e.Sync))
	if p.json && p.syncs {
		if err := p.envelope(e); err != nil {
			return fmt.Errorf("write the sync event to stdout: %w", err)
		}
	}
	return nil
}

func (p *printer) heartbeat(e *pgherald.Event) error {
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

// syncText explains a sync event.
func syncText(s *pgherald.Sync) string {
	switch s.Mode {
	case pgherald.ModeLive:
		return "live: events from now on"
	case pgherald.ModeResumed:
		return resumedText(s.Events)
	case pgherald.ModeReset:
		return "RESET: events may be missing before this line: " + resetText(s.Reason) + "; live from now on"
	case pgherald.ModeStale:
		return "STALE: the server has not read the database since " + plain(s.Since) + "; events may be late"
	case pgherald.ModeExpired:
		return "the token has expired"
	case pgherald.ModeDraining:
		return "the server is draining; reconnecting"
	default:
		return "sync " + plain(string(s.Mode))
	}
}

func resumedText(events *int) string {
	switch {
	case events == nil:
		return "resumed: missed events follow"
	case *events == 0:
		return "resumed: no event was missed"
	case *events == 1:
		return "resumed: 1 missed event follows"
	default:
		return fmt.Sprintf("resumed: %d missed events follow", *events)
	}
}

func resetText(reason string) string {
	switch reason {
	case "malformed":
		return "the cursor is not one of pgherald's"
	case "other_log":
		return "the cursor is from another log, or from before the database was restored or failed over"
	case "pruned":
		return "the cursor is older than the log"
	case "future":
		return "the cursor is ahead of the log"
	case "":
		return "the server gave no reason"
	default:
		return plain(reason)
	}
}

// status prints a line about the connection, dimmed and with the time. A failing stderr is ignored.
func (p *printer) status(format string, args ...any) {
	if p.quiet {
		return
	}
	l := newLine(0, p.statusColor)
	l.add(styleDim, p.now().Format(timeLayout)+" -- "+fmt.Sprintf(format, args...))
	_, _ = io.WriteString(p.err, l.String())
}

// resumeHint prints the flag that resumes after the last complete transaction. partial says that
// events of a later transaction are printed already, which will be sent again.
func (p *printer) resumeHint(cursor string, partial bool) {
	switch {
	case cursor == "":
	case partial:
		p.status("to resume: --since=%s (the last transaction is incomplete and will be sent again)", cursor)
	default:
		p.status("to resume: --since=%s", cursor)
	}
}

package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scenario is a test of one rule.
type Scenario struct {
	Name  string
	Rule  string // the rule of docs/protocol.md, in words
	Start Start  // ID and URL are the runner's
	Want  []string
	// Rows has the states that a collection may show, in this order. It need not show all, but must show the last.
	Rows []map[string]string
	// Keys has the order of the rows in each of these states; nil if there is none.
	Keys [][]string
	// Stream answers the requests of /api/events one after the other.
	Stream []Step
	// Other answers all other requests: lists, rows, renewals.
	Other func(*Exchange)
}

func (s Scenario) needs() []string {
	needs := []string{"events"}
	if s.Start.Open == "collection" {
		needs = []string{"collections"}
	}
	for need, isNeeded := range map[string]bool{
		"tokens": s.Start.Tokens,
		"order":  s.Start.Order != "" || s.Start.Limit > 0,
		"pages":  s.Start.Transport != "" || s.Start.ConnectTimeout > 0,
	} {
		if isNeeded {
			needs = append(needs, need)
		}
	}
	return needs
}

// run is a scenario in progress.
type run struct {
	Scenario
	ctx  context.Context
	done context.CancelFunc

	mu       sync.Mutex
	streams  int      // requests of /api/events
	outputs  []string // in the notation of Want
	shown    int      // the state of Rows that was shown last; -1 before the first one
	problems []string
	lastEnd  time.Time // of the last answer
	counts   map[string]int
	signals  map[string]chan struct{}
}

// Run runs a scenario with an adapter. It returns an error that says which rule was broken.
func Run(ctx context.Context, a *Adapter, s Scenario) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{Scenario: s, ctx: ctx, done: cancel, shown: -1, counts: make(map[string]int), signals: make(map[string]chan struct{})}
	server := httptest.NewServer(r)
	defer server.CloseClientConnections()
	start := s.Start
	start.ID, start.URL = s.Name, server.URL
	stop, err := a.Begin(start, r.receive)
	defer server.Close()
	defer stop()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-a.ended:
		r.fail("the adapter ended: %v", a.err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.verdict()
}

// verdict returns an error if the run is not the one that was wanted. The caller holds mu.
func (r *run) verdict() error {
	if !r.isComplete() && len(r.problems) == 0 {
		r.problems = append(r.problems, "it did not end")
	}
	if len(r.problems) == 0 {
		return nil
	}
	text := strings.Join(r.problems, "; ")
	if r.Want != nil {
		text += fmt.Sprintf("\n   got %s\n  want %s", abbreviated(r.outputs), abbreviated(r.Want[:min(len(r.outputs)+1, len(r.Want))]))
	}
	return errors.New(text)
}

// abbreviated returns the last outputs, of which it cuts long ones.
func abbreviated(lines []string) string {
	const most = 12
	var short []string
	if len(lines) > most {
		short, lines = append(short, fmt.Sprintf("%d more", len(lines)-most)), lines[len(lines)-most:]
	}
	for _, line := range lines {
		if len(line) > 80 {
			line = line[:80] + "…"
		}
		short = append(short, line)
	}
	return strings.Join(short, " | ")
}

// fail records a broken rule and ends the run.
func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failLocked(format, args...)
}

func (r *run) failLocked(format string, args ...any) {
	if r.isComplete() && len(r.problems) == 0 {
		return // what comes after the end does not count
	}
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
	r.done()
}

// isComplete reports whether all that was wanted has come. The caller holds mu.
func (r *run) isComplete() bool {
	return len(r.outputs) >= len(r.Want) && r.shown >= len(r.Rows)-1
}

// receive takes a line of the adapter.
func (r *run) receive(o Output) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return
	}
	if o.Rows != nil && o.Error == nil {
		r.show(o)
	} else {
		r.output(o)
	}
	if r.isComplete() {
		r.done()
	}
}

func (r *run) output(o Output) {
	text := o.String()
	if text == "" {
		return // what this suite does not know
	}
	if len(r.outputs) < len(r.Want) && r.Want[len(r.outputs)] == text {
		r.outputs = append(r.outputs, text)
		return
	}
	r.outputs = append(r.outputs, text)
	switch {
	case o.Error != nil:
		r.problems = append(r.problems, "it gave up: "+*o.Error)
	case r.Want == nil:
		r.outputs = nil // of a collection, only rows count
		return
	default:
		r.problems = append(r.problems, fmt.Sprintf("output %d is wrong", len(r.outputs)))
	}
	r.done()
}

// show takes a state of the collection: one that is next or later in Rows, or the present one again.
func (r *run) show(o Output) {
	for i := max(r.shown, 0); i < len(r.Rows); i++ {
		if isSame(o.Rows, r.Rows[i]) && (r.Keys == nil || slices.Equal(o.Keys, r.Keys[i])) {
			r.shown = i
			return
		}
	}
	order := ""
	if r.Keys != nil {
		order = fmt.Sprintf(" in the order %q", o.Keys)
	}
	r.problems = append(r.problems, fmt.Sprintf("it showed %s%s after state %d of %v %q", rowsText(o), order, r.shown, r.Rows, r.Keys))
	r.done()
}

func rowsText(o Output) string {
	var parts []string
	for key, row := range o.Rows {
		parts = append(parts, key+":"+canonical(row))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

// ServeHTTP implements http.Handler.
func (r *run) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	e := &Exchange{run: r, w: w, r: req}
	if req.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	defer func() {
		r.mu.Lock()
		r.lastEnd = time.Now()
		r.mu.Unlock()
	}()
	if req.URL.Path != "/api/events" {
		if r.Other == nil {
			r.fail("it requested %s %s", req.Method, req.URL.Path)
			w.WriteHeader(http.StatusNotFound)
			return
		}
		r.Other(e)
		return
	}
	for name := range req.URL.Query() {
		if selection, ok := strings.CutPrefix(name, "q."); ok {
			e.q = selection
		}
	}
	r.mu.Lock()
	n := r.streams
	r.streams++
	r.mu.Unlock()
	if n >= len(r.Stream) {
		r.fail("it requested the stream once more than it should, after the cursor %q", e.Cursor())
		w.WriteHeader(http.StatusGone)
		return
	}
	r.Stream[n](e)
}

package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
)

// Start is a line to an adapter: open a stream or a collection.
type Start struct {
	ID         string            `json:"start"` // Begin appends a number, so that two runs of a name are two
	URL        string            `json:"url"`   // the server's base URL
	Open       string            `json:"open"`  // events or collection
	Collection string            `json:"collection,omitempty"`
	Where      map[string]string `json:"where,omitempty"` // of a collection: values that fields must equal
	Order      string            `json:"order,omitempty"` // of a collection
	Limit      int               `json:"limit,omitempty"` // of a collection; 0: none
	Since      string            `json:"since,omitempty"`
	Tokens     bool              `json:"tokens,omitempty"`    // the token callback returns token-1, then token-2, …
	Transport  string            `json:"transport,omitempty"` // poll: pages instead of a stream
	// ConnectTimeout is the longest time until a stream has begun, in milliseconds; 0: the client's own.
	ConnectTimeout int `json:"connectTimeout,omitempty"`
}

// Output is a line of an adapter. One of the members after ID is set.
type Output struct {
	ID        string                     `json:"id"`
	Event     *Event                     `json:"event"`     // of the log, with its data
	Oversized *Event                     `json:"oversized"` // of the log, without its data
	Reset     *string                    `json:"reset"`     // the reason: load everything again
	Stale     *bool                      `json:"stale"`     // the server cannot read the database, or can again
	Rows      map[string]json.RawMessage `json:"rows"`      // all rows of the collection, after each change
	Keys      []string                   `json:"keys"`      // of the rows, in their order, if the collection has one
	Error     *string                    `json:"error"`     // the client gave up
}

// Event is an envelope.
type Event struct {
	ID   int64           `json:"id"`
	Type string          `json:"type"`
	Key  string          `json:"key"`
	Data json.RawMessage `json:"data"`
}

// String returns the output in the notation of Scenario.Want.
func (o Output) String() string {
	switch {
	case o.Event != nil:
		return fmt.Sprintf("%d %s", o.Event.ID, canonical(o.Event.Data))
	case o.Oversized != nil:
		return fmt.Sprintf("%d oversized %s", o.Oversized.ID, o.Oversized.Key)
	case o.Reset != nil:
		return "reset " + *o.Reset
	case o.Stale != nil && *o.Stale:
		return "stale"
	case o.Stale != nil:
		return "fresh"
	case o.Error != nil:
		return gaveUp
	default:
		return ""
	}
}

// gaveUp is in Scenario.Want if the client must give up.
const gaveUp = "gave up"

// canonical returns JSON in one spelling of many.
func canonical(raw json.RawMessage) string {
	var value any
	if len(raw) == 0 || json.Unmarshal(raw, &value) != nil {
		return string(raw)
	}
	text, _ := json.Marshal(value)
	return string(text)
}

// Adapter is a running adapter.
type Adapter struct {
	can   []string
	stdin io.WriteCloser
	mu    sync.Mutex // guards stdin, begun and runs
	begun int
	runs  map[string]func(Output) // by the ids of their starts
	ended chan struct{}
	err   error // of the process, once ended is closed
}

// StartAdapter starts an adapter, and returns once it is ready. The end of ctx kills it.
func StartAdapter(ctx context.Context, stderr io.Writer, name string, args ...string) (*Adapter, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the adapter: %w", err)
	}
	a := &Adapter{stdin: stdin, runs: make(map[string]func(Output)), ended: make(chan struct{})}
	lines := bufio.NewReader(stdout)
	var first struct {
		Ready bool
		Can   []string
	}
	line, err := lines.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &first) != nil || !first.Ready {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("start the adapter: its first line is %q (%w)", line, errorsOf(err, cmd.Wait()))
	}
	a.can = first.Can
	go func() {
		defer close(a.ended)
		a.read(lines)
		a.err = cmd.Wait()
	}()
	return a, nil
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// Can reports whether the adapter's client can do all of what a scenario needs.
func (a *Adapter) Can(s Scenario) bool {
	return !slices.ContainsFunc(s.needs(), func(need string) bool { return !slices.Contains(a.can, need) })
}

// Close ends the adapter and waits for it.
func (a *Adapter) Close() error {
	a.stdin.Close()
	<-a.ended
	return a.err
}

// read passes the adapter's lines on until it ends.
func (a *Adapter) read(lines *bufio.Reader) {
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var o Output
		if err := json.Unmarshal(line, &o); err != nil {
			text := fmt.Sprintf("read %q: %v", line, err)
			o.Error = &text
		}
		a.mu.Lock()
		receive := a.runs[o.ID]
		a.mu.Unlock()
		if receive != nil {
			receive(o)
		}
	}
}

// Begin sends a start line and passes the outputs to receive until stop is called. A scenario need not be behind it: the
// tests of the server use adapters, too.
func (a *Adapter) Begin(start Start, receive func(Output)) (stop func(), err error) {
	a.mu.Lock()
	a.begun++
	start.ID = fmt.Sprintf("%s-%d", start.ID, a.begun)
	a.runs[start.ID] = receive
	a.mu.Unlock()
	stop = func() {
		a.mu.Lock()
		delete(a.runs, start.ID)
		a.mu.Unlock()
		_ = a.write(map[string]string{"stop": start.ID}) // fails if the adapter has ended
	}
	if err := a.write(start); err != nil {
		return stop, fmt.Errorf("send to the adapter: %w", err)
	}
	return stop, nil
}

func (a *Adapter) write(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err = a.stdin.Write(append(text, '\n'))
	return err
}

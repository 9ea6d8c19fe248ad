package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/pgherald/pgherald/stream/streamtest"
)

// subscriber is a client that follows the stream until it has seen the last event of a test. It
// does whatever clients do: comes and goes, in the middle of a frame too, is slow, is away for a
// while, comes back to another server. What it knows is in its streamtest.Client.
type subscriber struct {
	streamtest.Client // for others once run has returned

	name  string
	types []string                       // nil for all
	pick  func(session int) *node        // where it goes next
	leave func(in session) bool          // whether it goes now; nil: it never does
	wait  func(context.Context)          // what it does before it comes back; nil: nothing
	slow  func(ctx context.Context)      // what it does between two reads; nil: nothing
	last  func(streamtest.Envelope) bool // whether this is the last event

	chunk int // the most that it reads at once
	http  *http.Client
	rng   *rand.Rand
	began chan struct{} // closed when it has been told where it begins

	connections int
}

// session is what happened on one connection so far.
type session struct {
	bytes, transactions int
	greeted             bool // the sync event has come
}

// errLeft ends a session because the subscriber wanted to.
var errLeft = errors.New("left")

// brokenStream is an error that no reconnection excuses.
type brokenStream struct{ error }

// run follows until the last event, or until ctx ends.
func (s *subscriber) run(ctx context.Context) error {
	for n := 0; ; n++ {
		done, err := s.connect(ctx, n)
		s.Disconnect()
		var broken brokenStream
		switch {
		case done:
			return nil
		case errors.As(err, &broken):
			return fmt.Errorf("%s: connection %d: %w", s.name, n, err)
		case ctx.Err() != nil:
			return fmt.Errorf("%s: connection %d, after %d events: %w", s.name, n, len(s.Events()), err)
		case !errors.Is(err, errLeft):
			pause(ctx, 10*time.Millisecond) // the server is away, or will be
		case s.wait != nil:
			s.wait(ctx)
		}
	}
}

// connect is one connection. It reports whether the last event has come.
func (s *subscriber) connect(ctx context.Context, n int) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := s.request(ctx, s.pick(n))
	if err != nil {
		return false, brokenStream{err}
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		return false, brokenStream{fmt.Errorf("answered with %s and %s", resp.Status, kind)}
	}
	return s.read(ctx, resp)
}

// request carries the cursor in each of the three ways that there are.
func (s *subscriber) request(ctx context.Context, n *node) (*http.Request, error) {
	query := url.Values{}
	for _, t := range s.types {
		query.Set("types", t)
	}
	way := s.rng.IntN(3)
	if s.Cursor != "" && way > 0 {
		query.Set([]string{"since", "lastEventId"}[way-1], s.Cursor)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.at("/api/events?"+query.Encode()), nil)
	if err == nil && s.Cursor != "" && way == 0 {
		req.Header.Set("Last-Event-ID", s.Cursor)
	}
	return req, err
}

// read takes the stream in pieces of any size.
func (s *subscriber) read(ctx context.Context, resp *http.Response) (bool, error) {
	from, controls, before, looked := s.Cursor, len(s.Control), len(s.Transactions), len(s.Transactions)
	var in session
	for buf := make([]byte, s.chunk); ; {
		n, err := resp.Body.Read(buf[:1+s.rng.IntN(len(buf))])
		if _, err := s.Write(buf[:n]); err != nil {
			return false, brokenStream{err}
		}
		if !in.greeted && len(s.Control) > controls {
			if err := s.greeted(from, s.Control[controls]); err != nil {
				return false, brokenStream{err}
			}
			in.greeted = true
		}
		in.bytes, in.transactions = in.bytes+n, len(s.Transactions)-before
		for ; looked < len(s.Transactions); looked++ {
			if slices.ContainsFunc(s.Transactions[looked], s.last) {
				return true, nil
			}
		}
		if err != nil {
			return false, err
		}
		if in.greeted && s.leave != nil && s.leave(in) {
			return false, errLeft
		}
		if s.slow != nil {
			s.slow(ctx)
		}
	}
}

// greeted checks what the stream says of itself: the truth about the cursor.
func (s *subscriber) greeted(from string, sync streamtest.Envelope) error {
	var data struct{ Mode, Reason string }
	if err := json.Unmarshal(sync.Data, &data); err != nil || sync.Type != "sync" {
		return fmt.Errorf("the stream began with %s %s", sync.Type, sync.Data)
	}
	want := "resumed"
	if from == "" {
		want = "live"
	}
	if data.Mode != want {
		return fmt.Errorf("the stream after %q began with %s, not %s", from, sync.Data, want)
	}
	if s.connections++; s.connections == 1 {
		close(s.began)
	}
	return nil
}

// atRandom leaves after some number of bytes up to the limit, so mostly within a frame.
func (s *subscriber) atRandom(limit int) {
	next := s.rng.IntN(limit)
	s.leave = func(in session) bool {
		if in.bytes <= next {
			return false
		}
		next = s.rng.IntN(limit)
		return true
	}
}

func anyOf(rng *rand.Rand, nodes []*node) func(int) *node {
	return func(int) *node { return nodes[rng.IntN(len(nodes))] }
}

func inTurn(nodes []*node) func(int) *node {
	return func(session int) *node { return nodes[session%len(nodes)] }
}

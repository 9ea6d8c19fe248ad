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

// subscriber is a client that follows the stream to the last event of a trial, over any number of
// connections. Its fields make it leave in the middle of a frame, read slowly, pause, or switch servers. Its
// streamtest.Client holds what it received, for others once run has returned.
type subscriber struct {
	streamtest.Client

	name            string
	types           []string                       // filter; nil for all
	pick            func(connection int) *node     // server of a connection, from 0
	shouldLeave     func(progress) bool            // whether to end the connection now; nil: never
	beforeReconnect func(context.Context)          // after it left; nil: nothing
	betweenReads    func(context.Context)          // nil: nothing
	isLast          func(streamtest.Envelope) bool // whether this is the last event of the trial

	chunk   int // most bytes to read at once
	http    *http.Client
	rng     *rand.Rand
	started chan struct{} // closed by the first sync event

	connections int
}

// progress counts what one connection has received.
type progress struct {
	bytes, transactions int
	synced              bool // the sync event arrived
}

// errLeft ends a connection that shouldLeave ended.
var errLeft = errors.New("left")

// protocolError is an error after which a subscriber must not reconnect, since the server is wrong.
type protocolError struct{ error }

// run reads until the last event, or until ctx ends.
func (s *subscriber) run(ctx context.Context) error {
	for n := 0; ; n++ {
		done, err := s.connect(ctx, n)
		s.Disconnect()
		var wrong protocolError
		switch {
		case done:
			return nil
		case errors.As(err, &wrong):
			return fmt.Errorf("%s: connection %d: %w", s.name, n, err)
		case ctx.Err() != nil:
			return fmt.Errorf("%s: connection %d, after %d events: %w", s.name, n, len(s.Events()), err)
		case !errors.Is(err, errLeft):
			pause(ctx, 10*time.Millisecond) // the server is down or stopping
		case s.beforeReconnect != nil:
			s.beforeReconnect(ctx)
		}
	}
}

// connect makes one connection and reports whether the last event arrived.
func (s *subscriber) connect(ctx context.Context, n int) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := s.request(ctx, s.pick(n))
	if err != nil {
		return false, protocolError{err}
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		return false, protocolError{fmt.Errorf("response %s of type %s", resp.Status, kind)}
	}
	return s.read(ctx, resp)
}

// request returns a request that carries the cursor in one of three ways: a header or two query parameters.
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

// read reads the stream in chunks of random size.
func (s *subscriber) read(ctx context.Context, resp *http.Response) (bool, error) {
	cursor, controls, before, checked := s.Cursor, len(s.Control), len(s.Transactions), len(s.Transactions)
	var p progress
	for buf := make([]byte, s.chunk); ; {
		n, err := resp.Body.Read(buf[:1+s.rng.IntN(len(buf))])
		if _, err := s.Write(buf[:n]); err != nil {
			return false, protocolError{err}
		}
		if !p.synced && len(s.Control) > controls {
			if err := s.checkSync(cursor, s.Control[controls]); err != nil {
				return false, protocolError{err}
			}
			p.synced = true
		}
		p.bytes, p.transactions = p.bytes+n, len(s.Transactions)-before
		for ; checked < len(s.Transactions); checked++ {
			if slices.ContainsFunc(s.Transactions[checked], s.isLast) {
				return true, nil
			}
		}
		if err != nil {
			return false, err
		}
		if p.synced && s.shouldLeave != nil && s.shouldLeave(p) {
			return false, errLeft
		}
		if s.betweenReads != nil {
			s.betweenReads(ctx)
		}
	}
}

// checkSync checks that the first event of a stream says resumed after a cursor, and live without one. It may say stale
// during an outage.
func (s *subscriber) checkSync(cursor string, sync streamtest.Envelope) error {
	var data struct{ Mode string }
	if err := json.Unmarshal(sync.Data, &data); err != nil || sync.Type != "sync" {
		return fmt.Errorf("the stream started with %s %s", sync.Type, sync.Data)
	}
	want := "resumed"
	if cursor == "" {
		want = "live"
	}
	if data.Mode != want && data.Mode != "stale" {
		return fmt.Errorf("the stream after cursor %q started with %s, want %s", cursor, sync.Data, want)
	}
	if s.connections++; s.connections == 1 {
		close(s.started)
	}
	return nil
}

// leaveAtRandom makes the subscriber leave after a random number of bytes up to a limit, so mostly within a
// frame.
func (s *subscriber) leaveAtRandom(limit int) {
	next := s.rng.IntN(limit)
	s.shouldLeave = func(p progress) bool {
		if p.bytes <= next {
			return false
		}
		next = s.rng.IntN(limit)
		return true
	}
}

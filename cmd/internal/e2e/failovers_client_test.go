package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// sequence writes the numbers 1, 2, 3 … as events, one at a time, whatever happens to the database. A number whose COMMIT got
// no answer may be in the log or not.
type sequence struct {
	t         *testing.T
	ctx       context.Context
	url       string
	begun     atomic.Int64 // the last number that was sent
	committed atomic.Int64 // the last number whose COMMIT was answered
	isEnding  atomic.Bool
	failover  atomic.Pointer[failoverTime]
}

// failoverTime says when a primary ended. Numbers above number were sent to the next one.
type failoverTime struct {
	number   int64
	ended    time.Time
	returned atomic.Pointer[time.Time] // when the next primary answered the first COMMIT
}

// run writes until it is stopped.
func (s *sequence) run(ctx context.Context) {
	var conn *pgx.Conn
	disconnect := func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
			conn = nil
		}
	}
	defer disconnect()
	for ctx.Err() == nil && (!s.isEnding.Load() || s.begun.Load() != s.committed.Load()) {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		if conn == nil {
			conn, _ = pgx.Connect(attempt, s.url) // the next attempt follows
		}
		if conn != nil && !s.next(attempt, conn) {
			disconnect()
		}
		cancel()
		pause(ctx, *failoverInterval)
	}
}

// next writes a number, and returns false if it got no answer.
func (s *sequence) next(ctx context.Context, conn *pgx.Conn) bool {
	number := s.begun.Add(1)
	if _, err := conn.Exec(ctx, `select pgherald.publish('custom', to_json($1::bigint))`, number); err != nil {
		return false
	}
	s.committed.Store(number)
	if f := s.failover.Load(); f != nil && number > f.number {
		now := time.Now()
		f.returned.CompareAndSwap(nil, &now)
	}
	return true
}

// stop waits until a last number was committed.
func (s *sequence) stop() {
	s.isEnding.Store(true)
	waitFor(s.ctx, s.t, "the writer to end", func() bool { return s.begun.Load() == s.committed.Load() })
}

// sequenceClient is an EventSource that keeps the numbers it received.
type sequenceClient struct {
	writer  *sequence
	servers []string
	home    int
	roams   bool // it moves to another server now and then
	cursor  string
	retry   time.Duration
	parts   []part
	err     error // that an EventSource would not survive

	hasConnected atomic.Bool
	last         atomic.Int64
	heard        atomic.Pointer[heardAfter]
}

// part holds what a client received from its first event, or from a reset, to the next reset. What was sent before the reset is
// in the list that it loads then.
type part struct {
	numbers []int64
	sent    int64 // the last number that was sent at its beginning
	server  string
}

// heardAfter says when a client received the first event after a failover.
type heardAfter struct {
	failover *failoverTime
	at       time.Time
}

// newSequenceClient returns a client. One in ten moves.
func newSequenceClient(w *sequence, servers []string, number int) *sequenceClient {
	return &sequenceClient{writer: w, servers: servers, home: number % len(servers), roams: number%10 == 9, retry: time.Second, parts: []part{{}}}
}

func (c *sequenceClient) run(ctx context.Context) {
	for ctx.Err() == nil && c.err == nil {
		connection, cancel := context.WithCancel(ctx)
		if c.roams {
			connection, cancel = context.WithTimeout(ctx, time.Second+rand.N(5*time.Second))
		}
		err := c.connect(connection)
		cancel()
		if ctx.Err() == nil && !errors.Is(err, io.EOF) {
			c.err = err
		}
		if c.roams {
			c.home = rand.IntN(len(c.servers))
		}
		pause(ctx, c.retry/2+rand.N(c.retry))
	}
}

// connect reads one stream. It returns io.EOF where an EventSource would reconnect.
func (c *sequenceClient) connect(ctx context.Context) error {
	response, err := openRawStream(ctx, c.servers[c.home], "/api/events?types=custom&unknown=allow", c.cursor)
	if err != nil {
		return io.EOF
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("an answer with status %s", response.Status)
	}
	c.hasConnected.Store(true)
	lines, id := bufio.NewReaderSize(response.Body, 512), ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return io.EOF
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				c.retry = time.Duration(ms) * time.Millisecond
			}
		case "id":
			id = value
		case "data":
			if err := c.receive([]byte(value)); err != nil {
				return err
			}
			if id != "" {
				c.cursor = id
			}
		}
	}
}

func (c *sequenceClient) receive(data []byte) error {
	var e struct {
		Type string
		Data json.RawMessage
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	switch e.Type {
	case "sync":
		if strings.Contains(string(e.Data), `"reset"`) {
			c.parts = append(c.parts, part{sent: c.writer.begun.Load(), server: c.servers[c.home]})
		}
	case "custom":
		number, err := strconv.ParseInt(string(e.Data), 10, 64)
		if err != nil {
			return err
		}
		now := &c.parts[len(c.parts)-1]
		now.numbers = append(now.numbers, number)
		c.last.Store(number)
		if f := c.writer.failover.Load(); f != nil && number > f.number && !c.hears(f) {
			c.heard.Store(&heardAfter{f, time.Now()})
		}
	}
	return nil
}

// hears reports whether the client has received an event after a failover.
func (c *sequenceClient) hears(f *failoverTime) bool {
	h := c.heard.Load()
	return h != nil && h.failover == f
}

// verdict compares the numbers of a client with those of the log.
type verdict struct {
	lost   int     // how often it received something that was lost
	resets int     // all
	idle   int     // resets although it had received nothing that was lost
	gaps   []error // what it has wrongly, or lacks, without a reset
}

func (c *sequenceClient) judge(log []int64) (v verdict) {
	if c.err != nil {
		v.gaps = append(v.gaps, c.err)
	}
	for i, p := range c.parts {
		isLast := i == len(c.parts)-1
		hasLost, err := p.compare(log, i == 0, isLast)
		if err != nil {
			v.gaps = append(v.gaps, fmt.Errorf("part %d of %d: %w", i+1, len(c.parts), err))
		}
		if hasLost {
			v.lost++
		} else if !isLast {
			v.idle++
		}
	}
	v.resets = len(c.parts) - 1
	return v
}

// compare checks that the numbers are a part of the log without a gap, but for lost ones at the end. A last part has none of
// those, and ends with the log.
func (p part) compare(log []int64, isFirst, isLast bool) (hasLost bool, err error) {
	next := 0
	if !isFirst {
		next, _ = slices.BinarySearch(log, p.sent+1) // at most: the list may have less than was sent
	}
	for i, number := range p.numbers {
		at, ok := slices.BinarySearch(log, number)
		switch {
		case !ok:
			hasLost = true
			continue
		case hasLost:
			return true, fmt.Errorf("received %d after a lost event, without a reset", number)
		case i == 0 && !isFirst && at > next, (i > 0 || isFirst) && at != next:
			return hasLost, fmt.Errorf("received %d where the log has its event %d of %d", number, next, len(log))
		}
		next = at + 1
	}
	switch {
	case isLast && hasLost:
		return true, errors.New("has a lost event, and no reset")
	case isLast && next != len(log):
		return false, fmt.Errorf("has the first %d events of %d", next, len(log))
	}
	return hasLost, nil
}

// TestPartsNoticeGaps checks the judge.
func TestPartsNoticeGaps(t *testing.T) {
	t.Parallel()
	log := []int64{1, 2, 3, 6, 7, 8} // 4 and 5 were lost
	for name, c := range map[string]struct {
		parts []part
		want  verdict
		gaps  int
	}{
		"all":                  {parts: []part{{numbers: log}}},
		"a reset after a loss": {parts: []part{{numbers: []int64{1, 2, 3, 4}}, {sent: 6, numbers: []int64{7, 8}}}, want: verdict{lost: 1, resets: 1}},
		"an idle reset":        {parts: []part{{numbers: []int64{1, 2, 3}}, {sent: 3, numbers: []int64{6, 7, 8}}}, want: verdict{idle: 1, resets: 1}},
		"a gap":                {parts: []part{{numbers: []int64{1, 2, 6, 7, 8}}}, gaps: 1},
		"a late beginning":     {parts: []part{{numbers: []int64{2, 3, 6, 7, 8}}}, gaps: 1},
		"an early end":         {parts: []part{{numbers: []int64{1, 2, 3, 6, 7}}}, gaps: 1},
		"a repeat":             {parts: []part{{numbers: []int64{1, 2, 2, 3, 6, 7, 8}}}, gaps: 1},
		"a loss without reset": {parts: []part{{numbers: []int64{1, 2, 3, 4, 6, 7, 8}}}, want: verdict{lost: 1}, gaps: 1},
		"a loss at the end":    {parts: []part{{numbers: []int64{1, 2, 3, 6, 7, 8, 9}}}, want: verdict{lost: 1}, gaps: 1},
		"a gap after a reset":  {parts: []part{{numbers: []int64{1, 2, 3, 4}}, {sent: 6, numbers: []int64{8}}}, want: verdict{lost: 1, resets: 1}, gaps: 1},
	} {
		got := (&sequenceClient{parts: c.parts}).judge(log)
		if got.lost != c.want.lost || got.resets != c.want.resets || got.idle != c.want.idle || len(got.gaps) != c.gaps {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

package stream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// payload has the size of an activity's payload.
const payload = `{"id":"0190a1b2-c3d4-7e5f-8a9b-0123456789ab","category":"Maintenance","subcategory":"Pump","location":"HQ, 2nd floor",` +
	`"status":"open","reporter":"alice","assignedTo":"bob","updateType":"status","latestUpdate":null,"timestamp":"2026-01-02T03:04:05.678Z"}`

// tape is a log that yields the same events in each read, under new transaction ids. It is fast, so that
// the benchmarks measure the feed.
type tape struct {
	stream.Log // nil: nothing recovers
	events     []stream.Event
	batch      int // transactions of a read
	cursor     stream.Cursor
	xid        uint64
	left       int
}

func newTape(batch, events int) *tape {
	t := &tape{batch: batch, xid: 1000, cursor: stream.NewCursor("k3f9", 1000, nil)}
	for i := range events {
		t.events = append(t.events, stream.Event{
			ID: int64(i + 1), Type: "activity_updated", Key: "0190a1b2", Data: json.RawMessage(payload), At: time.UnixMilli(1764000000000),
		})
	}
	return t
}

func (t *tape) Read(context.Context, stream.Cursor) (stream.Reading, error) {
	t.left = t.batch
	return t, nil
}

func (t *tape) ReadTransaction(context.Context, string, uint64, int64) (stream.Reading, error) {
	return nil, io.ErrUnexpectedEOF
}

func (t *tape) Tail(context.Context, int, int64) (stream.Cursor, error) { return t.cursor, nil }

func (t *tape) Next(context.Context, stream.Interest) (stream.Transaction, error) {
	if t.left == 0 {
		return stream.Transaction{}, io.EOF
	}
	t.left--
	t.cursor = t.cursor.Deliver(t.xid, nil)
	t.xid++
	return stream.Transaction{XID: t.xid - 1, Events: t.events, Cursor: t.cursor}, nil
}

func (t *tape) Buffered() int { return 0 }

func (t *tape) Check(context.Context, stream.Cursor) (int, error) { return t.left * len(t.events), nil }

func (t *tape) Resume(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	return t.Read(ctx, from)
}

func (t *tape) Cursor() stream.Cursor { return t.cursor }

func filled(b *testing.B, log *tape, bytes int64) *stream.Feed {
	b.Helper()
	f := stream.NewFeed(log, stream.FeedOptions{Bytes: bytes})
	if err := f.Fill(context.Background()); err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkEncode encodes one transaction and appends it to a full feed: the cost of a transaction for
// a server without clients.
func BenchmarkEncode(b *testing.B) {
	for _, events := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			f := filled(b, newTape(1, events), 1<<20)
			b.SetBytes(int64(events * len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if err := stream.ReadOnce(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppend appends 1,000 transactions of one event at once.
func BenchmarkAppend(b *testing.B) {
	f := filled(b, newTape(1000, 1), 16<<20)
	b.ReportAllocs()
	for b.Loop() {
		if err := stream.ReadOnce(f); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/transaction")
}

// BenchmarkPending returns one transaction of one event to each of n subscriptions, after reading,
// encoding and appending it once.
func BenchmarkPending(b *testing.B) {
	for _, types := range []string{"", "activity_updated", "something_else"} {
		for _, n := range []int{1, 1000} {
			b.Run(fmt.Sprintf("types=%s/subscriptions=%d", types, n), func(b *testing.B) { benchmarkPending(b, n, types) })
		}
	}
}

func benchmarkPending(b *testing.B, n int, types string) {
	f := filled(b, newTape(1, 1), 16<<20)
	filter := stream.Filter{}
	if types != "" {
		var err error
		if filter, err = stream.ParseFilter(map[string][]string{"types": {types}}, nil); err != nil {
			b.Fatal(err)
		}
	}
	subs := make([]*stream.Subscription, n)
	for i := range subs {
		var err error
		if subs[i], _, err = f.Subscribe(context.Background(), stream.Cursor{}, filter); err != nil {
			b.Fatal(err)
		}
	}
	var bufs [][]byte
	b.ReportAllocs()
	for b.Loop() {
		if err := stream.ReadOnce(f); err != nil {
			b.Fatal(err)
		}
		for _, s := range subs {
			var err error
			if bufs, err = s.Pending(bufs[:0], 256<<10); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/client")
}

// BenchmarkSeek resumes in a feed of many transactions, which begins with finding the position.
func BenchmarkSeek(b *testing.B) {
	for _, transactions := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("transactions=%d", transactions), func(b *testing.B) {
			log := newTape(transactions, 1)
			f := filled(b, log, 1<<30)
			near := stream.NewCursor("k3f9", log.xid-1, nil) // one transaction before the end
			b.ReportAllocs()
			for b.Loop() {
				if _, sync, err := f.Subscribe(context.Background(), near, stream.Filter{}); err != nil || *sync.Events != 1 {
					b.Fatal(sync, err)
				}
			}
		})
	}
}

// BenchmarkCursor measures the cost of long transactions, which are holes in every cursor.
func BenchmarkCursor(b *testing.B) {
	for _, holes := range []int{0, 8, 64} {
		open := make([]uint64, holes)
		for i := range open {
			open[i] = uint64(1_000_000 + 100*i)
		}
		c := stream.NewCursor("k3f9", 2_000_000, open)
		d := c.Deliver(2_000_000, open)
		text := c.String()
		for _, bench := range []struct {
			name string
			do   func()
		}{
			{"Covers", func() { _ = d.Covers(c) }},
			{"Deliver", func() { _ = c.Deliver(2_000_000, open) }},
			{"Seen", func() { _ = c.Seen(1_500_000) }},
			{"String", func() { _ = c.String() }},
			{"Parse", func() { _, _ = stream.ParseCursor(text) }},
		} {
			b.Run(fmt.Sprintf("%s/holes=%d", bench.name, holes), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					bench.do()
				}
			})
		}
	}
}

// BenchmarkFanOutPass serves one new event to clients that have received all others: the cost of a
// delivery before the system call. Each client has a grant of its own, so an audience of one user makes
// two cohorts.
func BenchmarkFanOutPass(b *testing.B) {
	for _, clients := range []int{100, 10_000} {
		for name, audience := range map[string][]string{"public": nil, "role": {"role:worker"}, "user": {"user:7"}} {
			for _, where := range []string{"", "HQ, 2nd floor"} {
				b.Run(fmt.Sprintf("clients=%d/audience=%s/where=%t", clients, name, where != ""), func(b *testing.B) {
					benchmarkFanOutPass(b, clients, audience, where)
				})
			}
		}
	}
}

func benchmarkFanOutPass(b *testing.B, clients int, audience []string, where string) {
	tape := newTape(1, 1)
	tape.events[0].Audience = audience
	f := filled(b, tape, 1<<20)
	filter := stream.Filter{}
	if where != "" {
		var err error
		if filter, err = stream.ParseFilter(map[string][]string{"where.location": {where}}, nil); err != nil {
			b.Fatal(err)
		}
	}
	subs := make([]*stream.Subscription, clients)
	for i := range subs {
		sub, _, err := f.Subscribe(context.Background(), stream.Cursor{}, filter.WithGrants([]string{fmt.Sprint("user:", i), "role:worker"}))
		if err != nil {
			b.Fatal(err)
		}
		subs[i] = sub
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := stream.ReadOnce(f); err != nil {
			b.Fatal(err)
		}
		p := f.NewFanOutPass(1 << 18)
		delivered := 0
		for _, s := range subs {
			data, _, err := p.Pending(s)
			if err != nil {
				b.Fatal(err)
			}
			delivered += min(1, len(data))
		}
		if delivered != clients && delivered != 1 {
			b.Fatal(delivered)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/client")
}

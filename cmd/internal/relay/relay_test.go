package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/db/redistest"
	"github.com/pgherald/pgherald/db/streamstore"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/relay"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

// start starts a process of the relay. stop ends it.
func start(t *testing.T, databaseURL, streamURL string) (metrics *Metrics, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	metrics = NewMetrics()
	go func() {
		ended <- Run(ctx, Config{
			DatabaseURL: databaseURL, StreamURL: streamURL, Name: "test", Lease: 5 * time.Second, MaxBytes: 1 << 30, EventBytes: 1 << 20,
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: metrics,
		})
	}()
	stop = func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the relay ended with %v", err)
		}
	}
	return metrics, stop
}

// follow reads the stream behind the cursor until it has had the given number of events, and returns their data.
func follow(t *testing.T, edge *relay.Log, from *stream.Cursor, events int) (data []string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); len(data) < events; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d events", len(data), events)
		}
		r, err := edge.Read(t.Context(), *from)
		for err == nil {
			var next stream.Transaction
			if next, err = r.Next(t.Context(), stream.Interest{Everything: true}); err == nil {
				for _, e := range next.Events {
					data = append(data, string(e.Data))
				}
				*from = next.Cursor
			}
		}
		if !errors.Is(err, io.EOF) || len(data) < events {
			_ = edge.Wait(t.Context()) // an error while the server is away
		}
	}
	return data
}

// TestTwoRelays writes to a database while two relays run, of which one ends, and the store loses everything. A reader of the stream receives each
// event once, in order.
func TestTwoRelays(t *testing.T) {
	url, server := pgtest.NewDatabase(t), redistest.Start(t)
	conn := pgtest.Connect(t, url)
	_, stopFirst := start(t, url, server.URL())
	store, err := streamstore.Open(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	edge := relay.NewLog(store, relay.LogOptions{})
	var cursor stream.Cursor
	for cursor.IsZero() { // the stream begins
		if cursor, err = edge.Tail(t.Context(), 0, 0); err != nil {
			_ = edge.Wait(t.Context())
		}
	}
	n := 0
	write := func() {
		t.Helper()
		for range 10 {
			n++
			pgtest.Exec(t, conn, fmt.Sprintf(`select pgherald.publish('note', '%d')`, n))
		}
	}
	var got []string
	read := func() {
		t.Helper()
		got = append(got, follow(t, edge, &cursor, n-len(got))...)
	}
	write()
	read()
	_, stopSecond := start(t, url, server.URL())
	defer stopSecond()
	write()
	stopFirst()
	write()
	read()
	server.Kill()
	server.Restart() // empty
	write()
	read()
	for i, data := range got {
		if data != fmt.Sprint(i+1) {
			t.Fatalf("event %d is %s: %v", i+1, data, got)
		}
	}
}

// TestOneNameForTwoStreams starts relays of two streams with one name. The one that stands by copies nothing, and is not ready.
func TestOneNameForTwoStreams(t *testing.T) {
	url, first, second := pgtest.NewDatabase(t), redistest.Start(t), redistest.Start(t)
	one, stop := start(t, url, first.URL())
	defer stop()
	await(t, "the first relay copies", func() bool { return one.hasCopied() })
	_, stopStandby := start(t, url, first.URL())
	defer stopStandby()
	other, stopOther := start(t, url, second.URL())
	defer stopOther()
	await(t, "the second relay says that it cannot copy", func() bool {
		other.mu.Lock()
		defer other.mu.Unlock()
		return other.failure != nil && strings.Contains(other.failure.Error(), "--name")
	})
}

// TestStandsByWhile checks which active process is one of another stream.
func TestStandsByWhile(t *testing.T) {
	r := &runner{config: &Config{Name: "test", Lease: time.Nanosecond}}
	for _, step := range []struct {
		runner, owner string
		isRefused     bool
	}{
		{"a", "a", false}, {"a", "", false}, {"b", "", false}, {"b", "x", true}, {"b", "b", false}, {"b", "x", false},
	} {
		if err := r.checkActive(step.runner, step.owner); (err != nil) != step.isRefused {
			t.Errorf("%+v: %v", step, err)
		}
		for began := time.Now(); !time.Now().After(began); { // a lease
			runtime.Gosched()
		}
	}
}

// await waits until a condition is true.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	for !is() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("waited too long until %s", what)
		}
	}
}

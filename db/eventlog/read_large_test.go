package eventlog_test

import (
	"context"
	"errors"
	"io"
	tcp "net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// meter is a TCP proxy that counts the bytes the server sends.
type meter struct {
	listener tcp.Listener
	target   string
	wg       sync.WaitGroup
	bytes    atomic.Int64
}

// newMeter returns a meter and the database's URL through it. Connections through it must be closed
// before the test's cleanup.
func newMeter(t *testing.T, databaseURL string) (*meter, string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(tcp.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{listener: l, target: u.Host}
	m.wg.Go(m.accept)
	t.Cleanup(func() {
		l.Close()
		pgtest.Within(t, "the end of the connections", m.wg.Wait)
	})
	u.Host = l.Addr().String()
	return m, u.String()
}

func (m *meter) accept() {
	for {
		client, err := m.listener.Accept()
		if err != nil {
			return
		}
		server, err := tcp.Dial("tcp", m.target)
		if err != nil {
			client.Close()
			continue
		}
		m.wg.Go(func() {
			defer server.Close()
			_, _ = io.Copy(server, client)
		})
		m.wg.Go(func() {
			defer client.Close()
			_, _ = io.Copy(io.MultiWriter(m, client), server)
		})
	}
}

// Write counts the bytes.
func (m *meter) Write(b []byte) (int, error) {
	m.bytes.Add(int64(len(b)))
	return len(b), nil
}

// TestReadOfHugeEventsFetchesThemAboutOnce reads few, but huge events. A read must not fetch them all
// to find that they exceed a page: that would run into the read timeout at every attempt.
func TestReadOfHugeEventsFetchesThemAboutOnce(t *testing.T) {
	const events, size = 100, 1 << 20
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	url := pgtest.NewDatabase(t)
	meter, metered := newMeter(t, url)
	log := openLog(t, metered)
	from, err := log.Tail(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	writeHuge(t, url, events, size)
	r, err := log.Read(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	if got := meter.bytes.Load(); got > 32<<20 {
		t.Errorf("the first statement fetched %d MiB", got>>20)
	}
	seen, last := 0, int64(0)
	for {
		tx, err := r.Next(ctx, stream.Interest{Everything: true})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range tx.Events {
			if e.ID <= last || len(e.Data) != size+2 {
				t.Fatalf("event %d of %d bytes after %d", e.ID, len(e.Data), last)
			}
			seen, last = seen+1, e.ID
		}
	}
	if seen != events {
		t.Errorf("read %d events of %d", seen, events)
	}
	t.Logf("%d events of 1 MiB: %d MiB fetched", events, meter.bytes.Load()>>20)
	if got := meter.bytes.Load(); got > 2*events*size+32<<20 { // each page asks for one event more than it takes
		t.Errorf("%d MiB were fetched in total", got>>20)
	}
}

// writeHuge writes events of the given size in two transactions.
func writeHuge(t *testing.T, url string, events, size int) {
	t.Helper()
	conn := pgtest.Connect(t, url)
	for _, n := range []int{events / 2, events - events/2} {
		if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `insert into pgherald.events (type, data)
				select 'a', to_json(repeat('x', $1)) from generate_series(1, $2)`, size, n)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

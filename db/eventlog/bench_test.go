package eventlog_test

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// BenchmarkCatchUp reads what a cursor has not seen from the log, as a client's catch-up does. Of the figures, MB/cpu-s is by
// the processor time of this process alone: PostgreSQL's share comes on top.
func BenchmarkCatchUp(b *testing.B) {
	const transactions, each = 2000, 10
	url := pgtest.NewDatabase(b)
	pool, err := db.OpenLogPool(b.Context(), url, 4)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	log := eventlog.New(pool, eventlog.Options{})
	from, err := log.Tail(b.Context(), 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	for range transactions {
		if _, err := conn.Exec(b.Context(), `
			insert into pgherald.events (type, key, data)
			select 'item', i::text, json_build_object('n', i, 'pad', repeat(md5(i::text), 8))
			from generate_series(1, $1::int) as i`, each); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	bytes, before := 0, cpuSeconds(b)
	for b.Loop() {
		r, err := log.Resume(b.Context(), from)
		if err != nil {
			b.Fatal(err)
		}
		events := 0
		for {
			tx, err := r.Next(b.Context(), stream.Interest{Everything: true})
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range tx.Events {
				events, bytes = events+1, bytes+len(e.Data)
			}
		}
		if events != transactions*each {
			b.Fatalf("read %d events, want %d", events, transactions*each)
		}
	}
	b.ReportMetric(float64(bytes)/1e6/(cpuSeconds(b)-before), "MB/cpu-s")
	b.ReportMetric(float64(bytes)/1e6/b.Elapsed().Seconds(), "MB/s")
}

// cpuSeconds returns the processor time of this process.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

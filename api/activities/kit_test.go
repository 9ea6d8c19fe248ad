package activities_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/activities"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// TestMain migrates the database but installs no triggers, so that tests can install their own.
func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error {
		return migrations.Up(ctx, url, migrations.Engine(), migrations.Workload())
	})
}

const (
	path    = "/api/activities"
	unknown = "00000000-0000-4000-8000-000000000000"
	plain   = `{"category":"c","subcategory":"s","location":"l","reporter":"r"}`
)

// server is an API with the activities of a database of its own.
type server struct {
	*testing.T
	url  string
	conn *pgx.Conn     // of a client that bypasses the API
	pool *pgxpool.Pool // of the API
	log  *safeBuffer
}

func newServer(t *testing.T) *server { return newServerOn(t, pgtest.NewDatabase(t)) }

func newServerOn(t *testing.T, databaseURL string) *server {
	t.Helper()
	s := &server{T: t, conn: pgtest.Connect(t, databaseURL), pool: newPool(t, databaseURL), log: &safeBuffer{}}
	s.url = s.serve(activities.Options{}).URL
	return s
}

func newPool(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// serve starts an API with the activities until the test ends.
func (s *server) serve(o activities.Options, options ...api.Option) *httptest.Server {
	s.Helper()
	o.MaxBody, o.Logger = 64<<10, slog.New(slog.NewTextHandler(s.log, nil))
	feed := stream.NewFeed(streamtest.NewLog("test"), stream.FeedOptions{})
	if err := feed.Fill(s.Context()); err != nil {
		s.Fatal(err)
	}
	routes := api.Routes(activities.New(activities.Pools{Lists: s.pool, Writes: s.pool}, snapshotCursor, o).Routes())
	a, err := api.New(api.Config{Feed: feed, Ready: feed.Err, Logger: o.Logger}, append(options, routes)...)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(a.Close)
	web := httptest.NewServer(a.Handler())
	s.Cleanup(web.Close)
	return web
}

// snapshotCursor returns the cursor of tx's snapshot, as eventlog.Log.SnapshotCursor does for a log without events.
func snapshotCursor(ctx context.Context, tx pgx.Tx) (stream.Cursor, error) {
	const sql = `
select
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    array(select x::text::bigint from pg_snapshot_xip(pg_current_snapshot()) as x)`
	var next uint64
	var open []uint64
	err := tx.QueryRow(ctx, sql).Scan(&next, &open)
	return stream.NewCursor("test", next, open), err
}

// answer is a response with its body.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any // nil unless the response is JSON
}

// send sends a request. Any goroutine may call it.
func (s *server) send(ctx context.Context, method, path, body string, header ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	a := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if err == nil && len(raw) > 0 && strings.Contains(a.header.Get("Content-Type"), "json") {
		err = json.Unmarshal(raw, &a.body)
	}
	return a, err
}

// do sends a request and fails unless the response has this status.
func (s *server) do(status int, method, path, body string, header ...string) answer {
	s.Helper()
	a, err := s.send(s.Context(), method, path, body, header...)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	if a.status != status {
		s.Fatalf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.raw, status)
	}
	return a
}

// create creates an activity and returns its path.
func (s *server) create(body string) string {
	s.Helper()
	return s.do(201, "POST", path, body).header.Get("Location")
}

func (s *server) exec(sql string) {
	s.Helper()
	pgtest.Exec(s, s.conn, sql)
}

// queryOne returns the only value of a query's only row.
func queryOne[T any](s *server, sql string, args ...any) T {
	s.Helper()
	var v T
	if err := s.conn.QueryRow(s.Context(), sql, args...).Scan(&v); err != nil {
		s.Fatalf("run %q: %v", sql, err)
	}
	return v
}

// safeBuffer is a buffer for concurrent use.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func same(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

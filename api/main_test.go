package api_test

import (
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
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

// apiOptions are the arguments of api.New.
type apiOptions struct {
	api.Config
	features []api.Option
}

// add adds options.
func (o *apiOptions) add(options ...api.Option) { o.features = append(o.features, options...) }

// newAPI returns an API that the test's cleanup closes. Without a feed, it gets one of an empty log.
func newAPI(t *testing.T, o apiOptions) *api.API {
	t.Helper()
	if o.Feed == nil {
		o.Feed = stream.NewFeed(streamtest.NewLog("k3f9"), stream.FeedOptions{StaleAfter: neverStale})
		if err := o.Feed.Fill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if o.Ready == nil {
		o.Ready = o.Feed.Err
	}
	a, err := api.New(o.Config, o.features...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	t.Cleanup(func() {
		a.Close()
		cancel()
		pgtest.Within(t, "the end of the API", running.Wait)
	})
	return a
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

// database is a connection to the database behind an API.
type database struct {
	*testing.T
	conn *pgx.Conn
}

func (d *database) exec(sql string) {
	d.Helper()
	pgtest.Exec(d, d.conn, sql)
}

// queryOne returns the only value of a query's only row.
func queryOne[T any](d *database, sql string, args ...any) T {
	d.Helper()
	var v T
	if err := d.conn.QueryRow(d.Context(), sql, args...).Scan(&v); err != nil {
		d.Fatalf("run %q: %v", sql, err)
	}
	return v
}

// server is an API with publishing and presence on a database of its own.
type server struct {
	database
	url  string
	pool *pgxpool.Pool // of the API
}

func newServer(t *testing.T) *server {
	t.Helper()
	databaseURL := pgtest.NewDatabase(t)
	s := &server{database: database{T: t, conn: pgtest.Connect(t, databaseURL)}, pool: newPool(t, databaseURL)}
	o := apiOptions{Config: api.Config{MaxBody: 64 << 10, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}}
	o.add(api.Publishing{Publisher: control.NewPublisher(s.pool)}, api.Presence{List: control.NewPresenceList(s.pool, snapshotCursor)})
	web := httptest.NewServer(newAPI(t, o).Handler())
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

// snapshotCursor returns the cursor of tx's snapshot, as eventlog.Log.SnapshotCursor does for a log without events.
func snapshotCursor(ctx context.Context, tx pgx.Tx) (stream.Cursor, error) {
	var next uint64
	err := tx.QueryRow(ctx, `select pg_snapshot_xmax(pg_current_snapshot())::text::bigint`).Scan(&next)
	return stream.NewCursor("test", next, nil), err
}

// answer is a response with its body.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any // nil unless the response is JSON
}

// do sends a request and fails unless the response has this status.
func (s *server) do(status int, method, path, body string, header ...string) answer {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	a := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if err == nil && len(raw) > 0 && strings.Contains(a.header.Get("Content-Type"), "json") {
		err = json.Unmarshal(raw, &a.body)
	}
	if err != nil || a.status != status {
		s.Fatalf("%s %s %s: %d %s, %v, want %d", method, path, body, a.status, a.raw, err, status)
	}
	return a
}

func same(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

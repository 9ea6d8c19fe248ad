package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

func TestMain(m *testing.M) { pgtest.Main(m, makeTables) }

// makeTables makes what the migrations make, and no triggers: who writes what is seen better
// without them.
func makeTables(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	for _, set := range []string{"engine", "workload"} {
		files, globErr := filepath.Glob(filepath.Join("..", "migrations", set, "*.up.sql"))
		err = errors.Join(err, globErr)
		slices.Sort(files)
		for _, file := range files {
			sql, readErr := os.ReadFile(file)
			_, execErr := conn.Exec(ctx, string(sql))
			err = errors.Join(err, readErr, execErr)
		}
	}
	return errors.Join(err, conn.Close(ctx))
}

const (
	path    = "/api/activities"
	unknown = "00000000-0000-4000-8000-000000000000"
	plain   = `{"category":"c","subcategory":"s","location":"l","reporter":"r"}`
)

// server is an API in front of a database of its own, and a connection for who comes another way.
type server struct {
	*testing.T
	url  string
	conn *pgx.Conn
	pool *pgxpool.Pool // of the API
	log  *safeBuffer
}

func newServer(t *testing.T) *server { return serverOn(t, pgtest.NewDatabase(t)) }

func serverOn(t *testing.T, databaseURL string) *server {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := &server{T: t, conn: pgtest.Connect(t, databaseURL), pool: pool, log: &safeBuffer{}}
	handler := newAPI(t, api.Config{Pool: pool, Engine: pool, Head: head, MaxBody: 64 << 10, Logger: slog.New(slog.NewTextHandler(s.log, nil))}).Handler()
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

// head is what db.Log.Head is, for a log that nobody writes to.
func head(ctx context.Context, tx pgx.Tx) (stream.Cursor, error) {
	const sql = `
select
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    array(select x::text::bigint from pg_snapshot_xip(pg_current_snapshot()) as x)`
	var next int64
	var open []int64
	err := tx.QueryRow(ctx, sql).Scan(&next, &open)
	running := make([]uint64, len(open))
	for i, x := range open {
		running[i] = uint64(x)
	}
	return stream.NewCursor("test", uint64(next), running), err
}

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

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// send is for any goroutine.
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

// do sends a request and fails unless the answer has this status.
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

// create makes an activity and returns its path.
func (s *server) create(body string) string {
	s.Helper()
	return s.do(201, "POST", path, body).header.Get("Location")
}

func one[T any](s *server, sql string, args ...any) T {
	s.Helper()
	var v T
	if err := s.conn.QueryRow(s.Context(), sql, args...).Scan(&v); err != nil {
		s.Fatalf("run %q: %v", sql, err)
	}
	return v
}

func same(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

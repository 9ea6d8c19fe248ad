package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/collection"
	"github.com/pgherald/pgherald/stream/identity"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// memoryStore is the store of an edge in memory.
type memoryStore struct {
	wakingLog
	delay   atomic.Int64
	mu      sync.Mutex
	text    []byte
	version uint64
}

// wakingLog is a log that wakes its reader.
type wakingLog struct {
	*streamtest.Log
	wake chan struct{}
}

func newWakingLog(epoch string) wakingLog {
	return wakingLog{streamtest.NewLog(epoch), make(chan struct{}, 1)}
}

// write commits a transaction of one event.
func (l wakingLog) write(eventType, key string) {
	tx := l.Begin()
	tx.Write(eventType, key)
	tx.Commit()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func newMemoryStore() *memoryStore {
	return &memoryStore{wakingLog: newWakingLog("edge")}
}

func (m *memoryStore) PageBytes() int64               { return 1 << 20 }
func (m *memoryStore) Wake() <-chan struct{}          { return m.wake }
func (m *memoryStore) Run(ctx context.Context)        { <-ctx.Done() }
func (m *memoryStore) WaitLive(context.Context) error { return nil }
func (m *memoryStore) Live() error                    { return nil }
func (m *memoryStore) Close()                         {}
func (m *memoryStore) Delay() time.Duration           { return time.Duration(m.delay.Load()) }

// publish writes the document.
func (m *memoryStore) publish(t *testing.T, d document) {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	m.put(text)
}

func (m *memoryStore) put(text []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text, m.version = text, m.version+1
}

func (m *memoryStore) document(context.Context) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text, m.version, nil
}

func (m *memoryStore) open(StoreOptions) (*Store, error) {
	return &Store{
		Log: m, Document: m.document, Presence: noPresence{}, Revocations: noRevocations{},
		Listen: func(ctx context.Context, _ func(string)) { <-ctx.Done() },
	}, nil
}

type noPresence struct{}

func (noPresence) Opened(string)           {}
func (noPresence) Closed(string)           {}
func (noPresence) Run(ctx context.Context) { <-ctx.Done() }
func (noPresence) HasOther() bool          { return false }

type noRevocations struct{}

func (noRevocations) Revoke(context.Context, auth.Revocation, time.Time) error {
	return errors.New("unexpected")
}
func (noRevocations) Read(context.Context, uint64) ([]identity.Revocation, []identity.Disconnect, uint64, error) {
	return nil, nil, 1, nil
}
func (noRevocations) Prune(context.Context) error { return nil }

// startEdge starts a server on the store, which ends with the test.
func startEdge(t *testing.T, m *memoryStore, change func(*Config)) *Server {
	t.Helper()
	config := DefaultConfig()
	config.Source, config.Listen.Addr, config.Tuning.Drain = "redis://memory", "127.0.0.1:0", 100*time.Millisecond
	if change != nil {
		change(&config)
	}
	s, err := New(t.Context(), config, Options{Logger: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar), OpenStore: m.open})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return s
}

func orders(fields ...collection.Field) document {
	return document{
		Format: documentFormat, Types: []string{"order_created", "order_deleted", "order_updated"}, IsCurrent: true,
		Collections: []collection.Collection{{
			Name: "orders", Table: "public.orders", Key: []string{"key"}, Fields: fields,
			Types: map[string]collection.Op{"order_created": collection.OpInsert, "order_updated": collection.OpUpdate, "order_deleted": collection.OpDelete},
		}},
	}
}

// edgeClient reads a stream.
type edgeClient struct {
	*bufio.Reader
	id string // the last id
}

func (s *Server) follow(t *testing.T, query, lastID string) *edgeClient {
	t.Helper()
	r := s.get(t, "/api/events"+query, lastID)
	if r.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(r.Body)
		t.Fatalf("GET /api/events%s: %s %s", query, r.Status, body)
	}
	return &edgeClient{Reader: bufio.NewReader(r.Body)}
}

func (s *Server) get(t *testing.T, path, lastID string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	return r
}

// status returns that of a response, and closes it.
func (s *Server) status(t *testing.T, path string) int {
	t.Helper()
	r := s.get(t, path, "")
	r.Body.Close()
	return r.StatusCode
}

// next returns the next event of a type or, of a sync, mode.
func (c *edgeClient) next(t *testing.T, want string) (e streamtest.Envelope) {
	t.Helper()
	for {
		line, err := c.ReadString('\n')
		if err != nil {
			t.Fatalf("%v while waiting for %s", err, want)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			c.id = strings.TrimSpace(id)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			e = streamtest.Envelope{}
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatal(err)
			}
			var sync stream.Sync
			if e.Type == want || e.Type == stream.TypeSync && json.Unmarshal(e.Data, &sync) == nil && string(sync.Mode) == want {
				return e
			}
		}
	}
}

func TestEdgeServesAndResumes(t *testing.T) {
	m := newMemoryStore()
	m.publish(t, orders())
	m.write("order_created", "0")
	s := startEdge(t, m, nil)
	c := s.follow(t, "", "")
	c.next(t, "live")
	m.write("order_created", "1")
	if e := c.next(t, "order_created"); !strings.Contains(string(e.Data), `"key":"1"`) {
		t.Errorf("received %s", e.Data)
	}
	m.write("order_updated", "2")
	again := s.follow(t, "?types=order_updated", c.id)
	again.next(t, "resumed")
	again.next(t, "order_updated")
	rows := s.follow(t, "?collection=orders", c.id)
	if e := rows.next(t, "order_updated"); e.Op != "update" || e.Key != "2" {
		t.Errorf("received %+v", e)
	}
}

func TestEdgeSaysWhatNeedsADatabase(t *testing.T) {
	m := newMemoryStore()
	m.publish(t, orders())
	s := startEdge(t, m, nil)
	<-s.Ready()
	for path, want := range map[string]int{
		"/api/log": 501, "/api/log/counts": 501, "/api/presence": 501, "/api/operations": 501, "/api/collections/orders": 501, "/api/collections/orders/a%2Fb": 501,
		"/api/collections": 200, "/api/stats": 200, "/healthz": 200, "/readyz": 200, "/readyz/events": 200, "/api/schema/openapi.json": 200,
		"/api/nothing": 404, "/": 501, "/console": 501,
	} {
		r := s.get(t, path, "")
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != want {
			t.Errorf("%s: %s %s (%v)", path, r.Status, body, err)
		}
		if want == 501 && !strings.Contains(string(body), "needs_database") {
			t.Errorf("%s: %s", path, body)
		}
		if strings.HasSuffix(path, "openapi.json") && strings.Contains(string(body), `"/api/log"`) {
			t.Errorf("the document has a route that the server has not: %s", body)
		}
	}
	for _, path := range []string{"/api/events", "/api/revocations", "/api/disconnect"} {
		r, err := http.Post(s.URL()+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusNotImplemented {
			t.Errorf("POST %s: %s", path, r.Status)
		}
	}
}

func TestEdgeWaitsForTheRelay(t *testing.T) {
	m := newMemoryStore()
	s := startEdge(t, m, nil)
	for reason := ""; !strings.Contains(reason, "waiting for the relay: read what the spec gives: no relay"); {
		body, err := io.ReadAll(s.get(t, "/readyz", "").Body)
		if err != nil {
			t.Fatal(err)
		}
		reason = string(body)
	}
	m.put([]byte(`{"garbage"`))
	m.publish(t, orders())
	<-s.Ready()
}

func TestEdgeFollowsTheSpec(t *testing.T) {
	m := newMemoryStore()
	d := orders()
	m.publish(t, d)
	s := startEdge(t, m, nil)
	<-s.Ready()
	if r := s.get(t, "/api/events?collection=items", ""); r.StatusCode != http.StatusBadRequest {
		t.Fatal(r.Status)
	}
	d.Collections = append(d.Collections, collection.Collection{
		Name: "items", Table: "public.items", Key: []string{"id"}, Types: map[string]collection.Op{"item_created": collection.OpInsert},
	})
	m.publish(t, d)
	for s.status(t, "/api/events?collection=items") != http.StatusOK {
	}
	d.Collections, d.Withheld = d.Collections[1:], []string{"orders"}
	m.publish(t, d)
	status := http.StatusOK
	for status == http.StatusOK {
		status = s.status(t, "/api/events?collection=orders")
	}
	if status != http.StatusServiceUnavailable {
		t.Errorf("a collection that is withheld: %d, want 503", status)
	}
}

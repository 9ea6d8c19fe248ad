package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/db/redistest"
	"github.com/pgherald/pgherald/db/streamstore"
	"github.com/pgherald/pgherald/stream/backoff"
	"github.com/pgherald/pgherald/stream/relay"
)

// redisWorld is a log, a relay of it, and the Redis between the relay and the edges.
type redisWorld struct {
	wakingLog
	t     *testing.T
	redis *redistest.Server
	url   string // of the store, for the relay
	term  uint64
}

func newRedisWorld(t *testing.T) *redisWorld {
	redis := redistest.Start(t)
	return &redisWorld{wakingLog: newWakingLog("e"), t: t, redis: redis, url: redis.URL()}
}

// startRelay runs what pgherald relay runs, until stop is called.
func (w *redisWorld) startRelay(d document) (stop func()) {
	store, err := streamstore.Open(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.term++
	writer := relay.Writer{Term: w.term, Owner: "test"}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			_ = relay.Run(ctx, relay.Options{Log: w.Log, Store: store, Writer: writer, Wake: w.wake}) // Redis may be away
			_ = backoff.Sleep(ctx, 10*time.Millisecond)
		}
	})
	running.Go(func() {
		revocations := edgestore.NewRevocations(edgestore.New(store.Client(), store.Key))
		for ctx.Err() == nil {
			if store.Publish(ctx, writer, text) == nil {
				_, _ = revocations.Write(ctx, nil, nil)
			}
			_ = backoff.Sleep(ctx, 100*time.Millisecond)
		}
	})
	return func() {
		cancel()
		running.Wait()
		_ = store.Close()
	}
}

// serve starts an edge, which ends with the test.
func (w *redisWorld) serve(change func(*Config)) *Server {
	w.t.Helper()
	return w.serveLogging(w.t.Output(), change)
}

func (w *redisWorld) serveLogging(log io.Writer, change func(*Config)) *Server {
	w.t.Helper()
	config := DefaultConfig()
	config.Source, config.Listen.Addr, config.Tuning.Drain = w.redis.URL(), "127.0.0.1:0", 100*time.Millisecond
	if change != nil {
		change(&config)
	}
	s, err := New(w.t.Context(), config, Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Level: new(slog.LevelVar)})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	})
	return s
}

// awaitAnswer waits until a path answers with a status and a text.
func (s *Server) awaitAnswer(t *testing.T, path string, status int, text string) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		r := s.get(t, path, "")
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode == status && strings.Contains(string(body), text) {
			return
		}
		select {
		case <-poll.C:
		case <-t.Context().Done():
			t.Fatalf("%s: %s %s", path, r.Status, body)
		}
	}
}

// TestEdgeOnRedis runs an edge through what may happen to its store: it is away at the start, has no stream, goes away and comes back empty.
func TestEdgeOnRedis(t *testing.T) {
	t.Parallel()
	w := newRedisWorld(t)
	w.redis.Kill()
	s := w.serve(nil)
	s.awaitAnswer(t, "/readyz", http.StatusServiceUnavailable, "waiting for the relay: the store of the edges cannot be reached")
	w.redis.Restart()
	s.awaitAnswer(t, "/readyz", http.StatusServiceUnavailable, "waiting for the relay: read what the spec gives: no relay")
	stop := w.startRelay(orders())
	defer func() { stop() }()
	<-s.Ready()
	c := s.follow(t, "", "")
	c.next(t, "live")
	w.write("order_created", "1")
	c.next(t, "order_created")
	s.awaitAnswer(t, "/readyz/events", http.StatusOK, "ready")

	w.redis.Kill()
	s.awaitAnswer(t, "/readyz/events", http.StatusServiceUnavailable, "the store of the edges does not answer")
	w.write("order_updated", "2")
	s.awaitAnswer(t, "/readyz", http.StatusOK, "ready")
	w.redis.Restart() // empty
	c.next(t, "order_updated")
	s.awaitAnswer(t, "/readyz/events", http.StatusOK, "ready")
	again := s.follow(t, "?types=order_updated", c.id)
	again.next(t, "resumed")

	// A server that becomes a replica takes no writes. The edge reads on, and knows that the stream is old.
	if err := w.redis.Client().SlaveOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	s.awaitAnswer(t, "/readyz", http.StatusOK, "staleSince")
	if err := w.redis.Client().SlaveOf(t.Context(), "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
	w.write("order_updated", "2a")
	again.next(t, "order_updated")

	stop() // without a relay, the stream is stale, and not silently old
	s.awaitAnswer(t, "/readyz", http.StatusOK, "staleSince")
	stop = w.startRelay(orders())
	w.write("order_updated", "3")
	again.next(t, "order_updated")
}

// TestEdgeRefusesToStart checks that what only a person can change ends the server.
func TestEdgeRefusesToStart(t *testing.T) {
	t.Parallel()
	w := newRedisWorld(t)
	if err := w.redis.Client().Do(t.Context(), "acl", "setuser", "edge", "on", ">secret", "~*", "+@all", "-eval_ro", "-evalsha_ro").Err(); err != nil {
		t.Fatal(err)
	}
	defer w.startRelay(orders())()
	for user, want := range map[string]string{"edge:wrong": "WRONGPASS", "edge:secret": "give the user the rights of docs/edges.md"} {
		config := DefaultConfig()
		config.Source, config.Listen.Addr = strings.Replace(w.redis.URL(), "redis://", "redis://"+user+"@", 1), "127.0.0.1:0"
		s, err := New(t.Context(), config, Options{Logger: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar)})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("with %s the server ended with %v, want %s", user, err, want)
		}
	}
}

// TestUsersOfTheStore runs a relay and an edge as the users of docs/edges.md. The edge's can write neither events nor revocations.
func TestUsersOfTheStore(t *testing.T) {
	t.Parallel()
	w := newRedisWorld(t)
	document, err := os.ReadFile("../../../docs/edges.md")
	if err != nil {
		t.Fatal(err)
	}
	users := 0
	for line := range strings.Lines(string(document)) {
		if !strings.HasPrefix(line, "ACL SETUSER ") {
			continue
		}
		users++
		var command []any
		for _, word := range strings.Fields(line) {
			command = append(command, word)
		}
		if err := w.redis.Client().Do(t.Context(), command...).Err(); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if users != 2 {
		t.Fatalf("docs/edges.md has %d users", users)
	}
	as := func(user string) string {
		return strings.Replace(w.redis.URL(), "redis://", "redis://"+user+":SECRET@", 1)
	}
	w.url = as("relay")
	defer w.startRelay(orders())()
	log := newLogBuffer()
	s := w.serveLogging(log, func(c *Config) {
		c.Source = as("edge")
		c.Tokens.Auth, c.Tokens.Secret, c.Tokens.Issuer, c.Tokens.Audience = "jwt", strings.Repeat("s", 32), "i", "a"
	})
	<-s.Ready()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "i", "aud": "a", "sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	bearer := func(method, path string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}
	var ticket struct{ Ticket string }
	if r := bearer(http.MethodPost, "/api/tickets"); json.NewDecoder(r.Body).Decode(&ticket) != nil || r.StatusCode != http.StatusCreated {
		t.Fatalf("ticket: %s", r.Status)
	}
	c := s.follow(t, "?ticket="+ticket.Ticket, "")
	c.next(t, "live")
	w.write("order_created", "1")
	c.next(t, "order_created")
	if r := bearer(http.MethodPost, "/api/events/none/token"); r.StatusCode != http.StatusNotFound {
		t.Errorf("renewal of a stream that is not there: %s", r.Status)
	}
	store, err := streamstore.Open(w.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for online := false; !online; {
		edges := edgestore.NewEdges(edgestore.New(store.Client(), store.Key))
		if _, err := edges.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		online = edges.Users()["ann"]
	}
	if text := log.String(); strings.Contains(text, "NOPERM") || strings.Contains(text, "SECRET") {
		t.Errorf("a right is missing, or a secret is shown:\n%s", text)
	}
	edge, err := streamstore.Open(as("edge"))
	if err != nil {
		t.Fatal(err)
	}
	defer edge.Close()
	st, err := edge.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, writeErr := edgestore.NewRevocations(edgestore.New(edge.Client(), edge.Key)).Write(t.Context(), nil, nil)
	for what, err := range map[string]error{
		"appends":   edge.Append(t.Context(), st.Writer, st.Last, relay.Appended{Token: "x"}),
		"begins":    edge.Begin(t.Context(), st.Writer, relay.Appended{Token: "x"}),
		"describes": edge.Publish(t.Context(), st.Writer, []byte("{}")),
		"revokes":   writeErr,
		"deletes":   edge.Client().Del(t.Context(), edge.Key("log")).Err(),
	} {
		if err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("an edge %s: %v", what, err)
		}
	}
}

func TestRelayReport(t *testing.T) {
	edges := [][]byte{
		[]byte(`{"streams":3,"events":5,"lagMs":2,"resets":{"pruned":1,"invented":9}}`), []byte(`{"streams":-7,"resets":{"pruned":2}}`),
		nil, []byte("\xff"), []byte(`[]`), []byte(`{"streams":"x"}`), []byte(`{"streams":4,"lagMs":1}`),
	}
	var got map[string]any
	if err := json.Unmarshal(RelayReport(edges, true, time.Now()), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"role": "relay", "edges": 7.0, "streams": 7.0, "events": 5.0, "lagMs": 2.0, "ready": true} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if name := got["name"].(string); !strings.HasPrefix(name, "relay on ") || !strings.HasSuffix(name, ", 7 edges") {
		t.Errorf("it is called %q", name)
	}
	if resets := got["resets"].(map[string]any); len(resets) != 1 || resets["pruned"] != 3.0 {
		t.Errorf("resets are %v", resets)
	}
}

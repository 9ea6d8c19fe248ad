package e2e

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/forward"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// useForward forwards as the server's role: it parks an event, and an operator's command sends it again.
func useForward(ctx context.Context, t *testing.T, p *privileges) {
	t.Helper()
	var isBack atomic.Bool
	received := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		switch {
		case err != nil:
		case !isBack.Load():
			w.WriteHeader(http.StatusUnprocessableEntity)
		default:
			received <- string(body)
		}
	}))
	defer receiver.Close()
	to, err := forward.ParseTarget(receiver.URL, true)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := triggers.Parse([]byte(appSpec))
	if err != nil {
		t.Fatal(err)
	}
	config := forward.Config{
		DatabaseURL: p.as("pgherald_server"), LoadSpec: func() (triggers.Spec, error) { return spec, nil }, Name: "billing", To: to, Filter: map[string][]string{"collection": {"orders"}}, Start: "oldest",
		Batch: 1, Parallel: 2, Attempts: 1, MaxParked: 100, Timeout: 30 * time.Second, Lease: 3 * time.Second, Poll: time.Second, Version: "test",
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: forward.NewMetrics("billing"),
	}
	ended := make(chan struct{})
	forwarding, stop := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		for forwarding.Err() == nil { // a slow machine may end the first connections
			if err := forward.Run(forwarding, config); forwarding.Err() == nil {
				t.Logf("forward ended: %v", err)
			}
		}
	}()
	defer func() { stop(); <-ended }()
	pgtest.Exec(t, p.connect("app_writer"), `insert into app.orders values (2, 1, 'forwarded')`)
	conn := p.connect("pgherald_server")
	await := func(what, sql string) {
		t.Helper()
		waitFor(ctx, t, what, func() (holds bool) {
			if err := conn.QueryRow(ctx, sql).Scan(&holds); err != nil {
				t.Fatal(err)
			}
			return holds
		})
	}
	await("the event to be parked", `select exists (select from pgherald.parked as p where p.key = '2')`)
	isBack.Store(true)
	if n, err := forward.Replay(ctx, p.as("pgherald_server"), "billing", nil); n == 0 || err != nil {
		t.Errorf("replay of %d events: %v", n, err)
	}
	for isForwarded := false; !isForwarded; {
		select {
		case body := <-received:
			isForwarded = strings.Contains(body, `"status":"forwarded"`)
		case <-ctx.Done():
			t.Fatal("the event was not sent again")
		}
	}
	await("the event to be removed", `select not exists (select from pgherald.parked as p where p.key = '2')`) // others may be parked after the replay
}

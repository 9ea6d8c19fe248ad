package edgestate_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/edgestate"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/db/edgestore"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/db/redistest"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/stream/identity"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error { return migrations.Up(ctx, url, migrations.Engine()) })
}

// inBackground runs f until stop is called.
func inBackground(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	return func() { cancel(); <-ended }
}

// await waits until a condition holds, at most until the test has to end.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("not within 2 minutes: %s", what)
		}
	}
}

func TestPassesOn(t *testing.T) {
	url := pgtest.NewDatabase(t)
	pool, err := db.OpenLogPool(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	server := redistest.Start(t)
	client := server.Client()
	store := edgestore.New(client, func(name string) string { return "{test}:" + name })
	logger := slog.New(slog.DiscardHandler)
	defer inBackground(func(ctx context.Context) {
		edgestate.Run(ctx, edgestate.Config{Pool: pool, Store: store, Presence: control.PresenceOptions{Grace: time.Millisecond}, Logger: logger})
	})()

	revoke := func(jti string) {
		t.Helper()
		if err := control.NewRevocations(pool, 0).Revoke(t.Context(), identity.Revocation{TokenID: jti}, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	isRevoked := func(jti string) func() bool {
		return func() bool {
			list, _, _, err := edgestore.NewRevocations(store).Read(t.Context(), 0)
			return err == nil && slices.ContainsFunc(list, func(r identity.Revocation) bool { return r.TokenID == jti })
		}
	}
	revoke("t1")
	await(t, "the edges know the revocation", isRevoked("t1"))
	revoke("t2")
	await(t, "the edges know the second one", isRevoked("t2"))
	if _, err := control.NewRevocations(pool, 0).Disconnect(t.Context(), identity.Disconnect{User: "bob"}); err != nil {
		t.Fatal(err)
	}
	await(t, "the edges know the disconnect", func() bool {
		_, list, _, err := edgestore.NewRevocations(store).Read(t.Context(), 0)
		return err == nil && len(list) == 1 && list[0].User == "bob"
	})

	count := func(sql string) func() int {
		return func() (n int) {
			t.Helper()
			if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	online := count(`select count(*) from pgherald.presence as p where p.user_id = 'ann'`)
	changes := count(`select count(*) from pgherald.events as e where e.type = 'presence_updated' and e.key = 'ann'`)
	edge := edgestore.NewPresence(store, edgestore.PresenceOptions{Logger: logger})
	leave := inBackground(edge.Run)
	edge.Opened("ann")
	await(t, "ann is online", func() bool { return online() == 1 })
	leave()
	await(t, "ann is offline", func() bool { return online() == 0 })
	if n := changes(); n < 2 || n%2 != 0 { // more if the machine stood still for long
		t.Errorf("%d events say that ann joined or left", n)
	}
}

package edgestore_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/edgestore"
)

// patience bounds each wait. It is far longer than one takes.
const patience = 2 * time.Minute

// awaitOnline waits until exactly these users are online at so many edges.
func awaitOnline(t *testing.T, store *edgestore.Store, wantEdges int, want ...string) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		users, edges, err := store.Online(t.Context())
		if names := slices.Sorted(maps.Keys(users)); err == nil && edges == wantEdges && slices.Equal(names, want) {
			return
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("online at %d edges: %v (%v)", edges, users, err)
		}
	}
}

// awaitOther waits until the edge knows of another.
func awaitOther(t *testing.T, p *edgestore.Presence) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !p.HasOther() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatal("the second edge does not know the first")
		}
	}
}

func run(t *testing.T, p *edgestore.Presence) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Run(ctx)
	}()
	return func() { cancel(); <-ended }
}

func TestPresence(t *testing.T) {
	server, one, other := open(t)
	logger := slog.New(slog.DiscardHandler)
	p, q := edgestore.NewPresence(one, logger), edgestore.NewPresence(other, logger)
	stopP := run(t, p)
	p.Opened("")
	p.Opened("bad\x00name")
	p.Opened("ann")
	p.Opened("ann")
	awaitOnline(t, one, 1, "ann")
	if p.HasOther() {
		t.Error("an edge alone has another")
	}
	stopQ := run(t, q)
	q.Opened("bob")
	awaitOnline(t, one, 2, "ann", "bob")
	awaitOther(t, q) // the store has the write before q has the answer
	p.Closed("ann")
	q.Opened("cid")
	awaitOnline(t, one, 2, "ann", "bob", "cid")
	p.Closed("ann")
	awaitOnline(t, one, 2, "bob", "cid")

	server.Kill() // both write all their users again
	p.Opened("eve")
	q.Closed("cid")
	server.Restart()
	awaitOnline(t, one, 2, "bob", "eve")
	stopQ()
	awaitOnline(t, one, 1, "eve")
	stopP()
	awaitOnline(t, one, 0)
}

func TestPresenceOfMoreUsersThanAWriteHas(t *testing.T) {
	_, one, _ := open(t)
	p := edgestore.NewPresence(one, slog.New(slog.DiscardHandler))
	var want []string
	for i := range 12_000 {
		name := fmt.Sprintf("user%05d", i)
		want = append(want, name)
		p.Opened(name)
	}
	stop := run(t, p)
	awaitOnline(t, one, 1, want...)
	for _, name := range want[1:] {
		p.Closed(name)
	}
	awaitOnline(t, one, 1, want[0])
	stop()
}

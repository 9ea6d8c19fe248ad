package edgestore_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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
	edges := edgestore.NewEdges(store)
	for {
		_, err := edges.Look(t.Context())
		if names := slices.Sorted(maps.Keys(edges.Users())); err == nil && len(edges.Reports()) == wantEdges && slices.Equal(names, want) {
			return
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("online at %d edges: %v (%v)", len(edges.Reports()), edges.Users(), err)
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
	p, q := edgestore.NewPresence(one, edgestore.PresenceOptions{Logger: logger}), edgestore.NewPresence(other, edgestore.PresenceOptions{Logger: logger})
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
	p := edgestore.NewPresence(one, edgestore.PresenceOptions{Logger: slog.New(slog.DiscardHandler)})
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

// TestLookReadsWhatChanged checks that a look reads no users of an edge that has not changed, and what edges report.
func TestLookReadsWhatChanged(t *testing.T) {
	server, one, other := open(t)
	p := edgestore.NewPresence(one, edgestore.PresenceOptions{Report: func() []byte { return []byte(`{"streams":1}`) }, Logger: slog.New(slog.DiscardHandler)})
	p.Opened("ann")
	stop := run(t, p)
	awaitOnline(t, one, 1, "ann")
	edges := edgestore.NewEdges(other)
	look := func(want bool) {
		t.Helper()
		if hasChanged, err := edges.Look(t.Context()); hasChanged != want || err != nil {
			t.Errorf("changed: %t, want %t (%v)", hasChanged, want, err)
		}
	}
	look(true)
	for _, report := range edges.Reports() {
		if string(report) != `{"streams":1}` {
			t.Errorf("the edge reports %q", report)
		}
	}
	calls := func() string {
		info, err := server.Client().InfoMap(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		return info["Commandstats"]["cmdstat_smembers"]
	}
	before := calls()
	look(false)
	if after := calls(); after != before {
		t.Errorf("the users were read again: %q, then %q", before, after)
	}
	server.Kill()
	server.Restart() // empty
	awaitOnline(t, other, 1, "ann")
	look(true)
	stop()
	look(true)
	if len(edges.Users())+len(edges.Reports()) != 0 {
		t.Errorf("after the end there are %v and %q", edges.Users(), edges.Reports())
	}
}

// TestDeadEdgeExpires checks that an edge which has not written for long is forgotten, with all that it has written.
func TestDeadEdgeExpires(t *testing.T) {
	server, one, _ := open(t)
	client, key := server.Client(), func(name string) string { return "{test}:edge:" + name }
	silent := float64(time.Now().Add(-edgestore.Expiry - time.Minute).UnixMilli())
	for _, err := range []error{
		client.ZAdd(t.Context(), key("alive"), redis.Z{Score: silent, Member: "dead"}).Err(),
		client.SAdd(t.Context(), key("online:dead"), "", "eve").Err(),
		client.HSet(t.Context(), key("versions"), "dead", "1").Err(),
		client.HSet(t.Context(), key("reports"), "dead", "{}").Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := edgestore.NewPresence(one, edgestore.PresenceOptions{Logger: slog.New(slog.DiscardHandler)})
	p.Opened("ann")
	defer run(t, p)()
	awaitOnline(t, one, 1, "ann")
	if p.HasOther() {
		t.Error("a dead edge counts")
	}
	if n, err := client.HLen(t.Context(), key("reports")).Result(); n != 1 || err != nil {
		t.Errorf("%d reports are left, %v", n, err)
	}
}

// TestLooksAreBounded lets a program with an edge's rights write more than a relay should read.
func TestLooksAreBounded(t *testing.T) {
	server, store, _ := open(t)
	client, now := server.Client(), float64(time.Now().UnixMilli())
	large := strings.Repeat("x", 1<<20)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.ZAdd(t.Context(), "{test}:edge:alive", redis.Z{Score: now, Member: "a"}, redis.Z{Score: now, Member: large}).Err())
	must(client.HSet(t.Context(), "{test}:edge:reports", "a", large, large, large).Err())
	must(client.HSet(t.Context(), "{test}:edge:versions", "a", "1").Err())
	must(client.SAdd(t.Context(), "{test}:edge:online:a", "ann").Err())
	edges := edgestore.NewEdges(store)
	if _, err := edges.Look(t.Context()); err != nil || !edges.Users()["ann"] {
		t.Fatalf("users are %v: %v", edges.Users(), err)
	}
	if reports := edges.Reports(); len(reports) != 1 || len(reports[0]) != 0 {
		t.Errorf("%d reports, the first with %d bytes", len(reports), len(reports[0]))
	}
	for n := range 70 {
		must(client.SAdd(t.Context(), "{test}:edge:online:a", strconv.Itoa(n)+large).Err())
	}
	must(client.HSet(t.Context(), "{test}:edge:versions", "a", "2").Err())
	if _, err := edges.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("users of more than 64 MiB: %v", err)
	}
	if users := edges.Users(); len(users) != 1 || !users["ann"] {
		t.Errorf("%d users after a look that failed", len(users))
	}
}

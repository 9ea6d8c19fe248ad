package notify_test

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// replica is a server without its API: a listener, a leader, a feed with one client, and a strictReader.
type replica struct {
	t           *testing.T
	listener    *notify.Listener
	leader      *notify.Leader
	feed        *stream.Feed
	reader      *strictReader
	sub         *stream.Subscription
	client      streamtest.Client
	steps       chan notify.LeaderStep
	resume      chan struct{} // a value lets a leader go on that is held at a step
	sessionLost signalWriter
	backend     atomic.Uint32 // PID of the leader's newest session
}

// signalWriter receives the log of a leader, which has a line for each lost session and no other.
type signalWriter chan struct{}

func (w signalWriter) Write(line []byte) (int, error) {
	select {
	case w <- struct{}{}:
	default:
	}
	return len(line), nil
}

// replicaOptions configure a replica.
type replicaOptions struct {
	leader        notify.LeaderOptions
	holdAt        notify.LeaderStep // waits for resume whenever it is at this step
	steps         *stepBroadcast    // receives each step; may be nil
	leaderURL     string            // if it differs from the listener's
	withoutLeader bool              // the leader is made and not run
}

// newReplica runs a replica until the test ends. It returns when the listener is live.
func newReplica(t *testing.T, url string, opts replicaOptions) *replica {
	t.Helper()
	pool := openPool(t, url)
	r := &replica{t: t, steps: make(chan notify.LeaderStep, 10_000), resume: make(chan struct{}), sessionLost: make(signalWriter, 1)}
	var err error
	if r.listener, err = notify.OpenListener(t.Context(), url, pool, quick); err != nil {
		t.Fatal(err)
	}
	opts.leader.Logger = slog.New(slog.NewTextHandler(r.sessionLost, nil))
	opts.leader.OnStep = func(step notify.LeaderStep) { r.onStep(opts, step) }
	if opts.leaderURL == "" {
		opts.leaderURL = url
	}
	if r.leader, err = notify.NewLeader(r.listener, opts.leaderURL, opts.leader); err != nil {
		t.Fatal(err)
	}
	r.leader.OnConnect(r.backend.Store)
	r.follow(eventlog.New(pool, eventlog.Options{}))
	if !opts.withoutLeader {
		runUntilEnd(t, r.leader.Run)
	}
	t.Cleanup(func() { close(r.resume) }) // runs before the cleanup that waits for the leader
	waitLive(t, r.listener)
	return r
}

// follow subscribes a client to the log, and runs all that reads it.
func (r *replica) follow(log *eventlog.Log) {
	r.t.Helper()
	r.feed, r.reader = stream.NewFeed(log, stream.FeedOptions{}), newStrictReader(r.t, log)
	if err := r.feed.Fill(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	var sync stream.Sync
	var err error
	if r.sub, sync, err = r.feed.Subscribe(r.t.Context(), r.feed.Head(), stream.Filter{}); err != nil {
		r.t.Fatal(err)
	}
	r.write(r.sub.Sync(nil, sync, time.Now()))
	wake := make(chan struct{}, 1)
	runUntilEnd(r.t, r.listener.Run)
	runUntilEnd(r.t, func(ctx context.Context) { r.reader.run(ctx, r.listener.Wake(), wake) })
	runUntilEnd(r.t, func(ctx context.Context) { r.feed.Run(ctx, wake) })
}

func (r *replica) onStep(opts replicaOptions, step notify.LeaderStep) {
	select {
	case r.steps <- step:
	default: // no test has read steps for long
	}
	if opts.steps != nil {
		opts.steps.send()
	}
	if step == opts.holdAt {
		<-r.resume
	}
}

// lead requests a leader and waits until this replica takes the step.
func (r *replica) lead(conn *pgx.Conn, step notify.LeaderStep) {
	r.t.Helper()
	requestLeader(r.t, conn)
	r.awaitStep(step)
}

func (r *replica) awaitStep(want notify.LeaderStep) {
	r.t.Helper()
	timeout := time.After(hangLimit)
	for {
		select {
		case step := <-r.steps:
			if step == want {
				return
			}
		case <-timeout:
			r.t.Fatalf("the leader did not take the step %q", want)
		}
	}
}

// awaitAnnounced waits until the reader, which reads only when it is woken, has all committed events. No
// transaction may commit meanwhile: its wake-up would make up for a missing one.
func (r *replica) awaitAnnounced(conn *pgx.Conn, when string) {
	r.t.Helper()
	ids := loggedIDs(r.t, conn)
	timeout := time.After(hangLimit)
	for {
		id, changed, err := r.reader.missing(ids)
		if err != nil {
			r.t.Fatalf("%s: %v", when, err)
		}
		if id == 0 {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			r.t.Fatalf("%s: event %d was not announced", when, id)
		}
	}
}

// awaitDelivered waits until the client has all committed events, each once. The feed's periodic reads
// count.
func (r *replica) awaitDelivered(conn *pgx.Conn) {
	r.t.Helper()
	want := loggedIDs(r.t, conn)
	timeout := time.After(hangLimit)
	for {
		changed := r.feed.Changed()
		bufs, err := r.sub.Pending(nil, 1<<30)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, b := range bufs {
			r.write(b)
		}
		got := r.client.Events()
		if len(got) >= len(want) {
			r.compare(got, want)
			return
		}
		select {
		case <-changed:
		case <-timeout:
			r.t.Fatalf("%d of %d events were delivered", len(got), len(want))
		}
	}
}

func (r *replica) write(b []byte) {
	r.t.Helper()
	if _, err := r.client.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replica) compare(got []streamtest.Envelope, want []int64) {
	r.t.Helper()
	ids := make([]int64, len(got))
	for i, e := range got {
		ids[i] = e.ID
	}
	slices.Sort(ids)
	slices.Sort(want)
	if diff := cmp.Diff(want, ids); diff != "" {
		r.t.Fatalf("events (-want +got):\n%s", diff)
	}
}

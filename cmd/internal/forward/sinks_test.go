package forward

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/cmd/internal/forward/natstest"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/db/redistest"
)

// openSink opens a sink without a database. What it returns tries again while there is an outage without the text of that which is wanted: a slow
// machine takes its time to connect.
func openSink(t *testing.T, to string, timeout time.Duration) sending {
	t.Helper()
	config := testConfig("", to)
	config.Timeout = timeout
	s, err := config.To.open(&config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return func(want string, events ...message) (f *failure) {
		pgtest.Within(t, "an answer of the server", func() {
			retries := time.NewTicker(20 * time.Millisecond)
			defer retries.Stop()
			for f = s.send(t.Context(), events); f != nil && f.isOutage && (want == "" || !strings.Contains(f.text, want)); <-retries.C {
				f = s.send(t.Context(), events)
			}
		})
		return f
	}
}

// eventOf returns a message of a lane with a number of bytes.
func eventOf(lane string, size int) message {
	return message{id: "evt_" + lane, lane: lane, eventType: "note", key: lane, envelope: []byte(`"` + strings.Repeat("x", max(0, size-2)) + `"`)}
}

// sending sends events through a sink, see openSink.
type sending = func(want string, events ...message) *failure

// checkFailure checks the kind of a failure.
func checkFailure(t *testing.T, what string, send sending, event message, part string, isAboutEvent, isOutage bool) {
	t.Helper()
	f := send(part, event)
	if f == nil || !strings.Contains(f.text, part) || f.isAboutEvent != isAboutEvent || f.isOutage != isOutage {
		t.Errorf("%s: got %+v, want %q", what, f, part)
	}
}

// TestRedisFailures checks which failures are refusals, and which are outages.
func TestRedisFailures(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--proto-max-bulk-len", "1mb")
	client := server.Client()
	send := openSink(t, server.URL()+"?stream=orders&maxlen=100", time.Minute)
	do := func(command ...any) {
		t.Helper()
		if err := client.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	small, other := eventOf("a", 10), eventOf("b", 10)
	if f := send("", small, other); f != nil {
		t.Fatalf("a batch: %+v", f)
	}
	f := send("", eventOf("large", 3<<20))
	if f == nil || f.isOutage { // the answer may be lost
		t.Errorf("too large: got %+v", f)
	}
	for _, c := range []struct {
		begin, end []any
		part       string
		isOutage   bool
	}{
		{[]any{"set", "orders", "text"}, []any{"del", "orders"}, "holds something else", false},
		{[]any{"config", "set", "maxmemory", "1"}, []any{"config", "set", "maxmemory", "0"}, "raise its maxmemory", false},
		{[]any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"}, "READONLY", true},
	} {
		do(c.begin...)
		checkFailure(t, c.part, send, small, c.part, false, c.isOutage)
		if f := send("EXECABORT", small, other); f == nil || f.isAboutEvent { // each event alone shows the reason
			t.Errorf("%s, a batch: %+v", c.part, f)
		}
		do(c.end...)
		if f := send("", small); f != nil {
			t.Errorf("after %s: %+v", c.part, f)
		}
	}
	checkRights(t, client, server)
	for range 300 {
		if f := send("", small); f != nil {
			t.Fatalf("add: %+v", f)
		}
	}
	if n := client.XLen(t.Context(), "orders").Val(); n > 250 { // whole nodes of 100 entries are removed
		t.Errorf("the stream has %d entries", n)
	}
	server.Kill()
	checkFailure(t, "killed", send, small, "reach the server", false, true)
}

// checkRights checks the failure of a user without rights, and that of a wrong password.
func checkRights(t *testing.T, client *redis.Client, server *redistest.Server) {
	t.Helper()
	if err := client.Do(t.Context(), "acl", "setuser", "few", "on", ">secret", "+ping", "~*").Err(); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server.URL(), "redis://")
	checkFailure(t, "no right", openSink(t, "redis://few:secret@"+host+"?stream=orders", time.Minute), eventOf("a", 1), "xadd", false, false)
	wrong := openSink(t, "redis://few:wrong@"+host+"?stream=orders", time.Minute)
	checkFailure(t, "wrong password", wrong, eventOf("a", 1), "WRONGPASS", false, true)
}

// TestNATSFailures checks which failures are refusals, and which are outages.
func TestNATSFailures(t *testing.T) {
	t.Parallel()
	const users = `accounts {
	A { jetstream: enabled, users: [
		{user: all, password: x},
		{user: few, password: x, permissions: {publish: ["orders.small", "$JS.API.>"], subscribe: "_INBOX.>"}},
	] }
}
no_auth_user: all
max_payload: 8192`
	server := natstest.Start(t, natstest.WithJetStream(t, users))
	server.AddStream(jetstream.StreamConfig{Name: "small", Subjects: []string{"orders.small", "orders.few"}, MaxMsgSize: 1000})
	server.AddStream(jetstream.StreamConfig{Name: "full", Subjects: []string{"orders.full"}, MaxMsgs: 1, Discard: jetstream.DiscardNew})
	send := openSink(t, server.URL()+"?subject=orders.{key}", time.Minute)
	if f := send("", eventOf("small", 10), eventOf("full", 10)); f != nil {
		t.Fatalf("a batch: %+v", f)
	}
	checkFailure(t, "too large for the server", send, eventOf("small", 9000), "max_payload of 8192", true, false)
	large, full := eventOf("small", 2000), eventOf("full", 10)
	large.id, full.id = "evt_2", "evt_3" // the ids of before would be repeats
	checkFailure(t, "too large for the stream", send, large, "10054", true, false)
	checkFailure(t, "no stream", send, eventOf("other", 10), "no stream has the subject", false, false)
	checkFailure(t, "full", send, full, "maximum messages", false, false)
	few := openSink(t, strings.Replace(server.URL(), "nats://", "nats://few:x@", 1)+"?subject=orders.{key}", 15*time.Second)
	if f := few("", eventOf("small", 10)); f != nil {
		t.Errorf("with rights: %+v", f)
	}
	checkFailure(t, "without rights", few, eventOf("few", 10), "ermissions", false, false)
	wrong := openSink(t, strings.Replace(server.URL(), "nats://", "nats://few:y@", 1)+"?subject=orders", time.Minute)
	checkFailure(t, "wrong password", wrong, eventOf("a", 1), "uthorization", false, true)
	server.Kill()
	checkFailure(t, "killed", send, eventOf("small", 10), "no connection", false, true)
	server.Restart()
	if f := send("", eventOf("small", 10)); f != nil {
		t.Errorf("after a restart: %+v", f)
	}
}

// TestNATSWithoutJetStream checks that a server without JetStream gets no events.
func TestNATSWithoutJetStream(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, "")
	subscription, err := server.Client().Conn().SubscribeSync("orders")
	if err != nil {
		t.Fatal(err)
	}
	send := openSink(t, server.URL()+"?subject=orders", time.Minute)
	checkFailure(t, "without JetStream", send, eventOf("a", 10), "JetStream is not enabled", false, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := subscription.NextMsgWithContext(ctx); err == nil {
		t.Errorf("a subscriber has received %s", m.Data)
	}
}

// TestRedisCluster checks a batch in a cluster, all entries of which are in one slot.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--cluster-enabled", "yes")
	client := server.Client()
	if err := client.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	pgtest.Within(t, "the cluster is up", func() {
		looks := time.NewTicker(20 * time.Millisecond)
		defer looks.Stop()
		for !strings.Contains(client.ClusterInfo(t.Context()).Val(), "cluster_state:ok") {
			<-looks.C
		}
	})
	send := openSink(t, "redis+cluster://"+strings.TrimSuffix(strings.TrimPrefix(server.URL(), "redis://"), "/0")+"?stream=orders", time.Minute)
	if f := send("", eventOf("a", 10), eventOf("b", 10), eventOf("c", 10)); f != nil {
		t.Fatalf("got %+v", f)
	}
	if n := client.XLen(t.Context(), "orders").Val(); n != 3 {
		t.Errorf("the stream has %d entries", n)
	}
}

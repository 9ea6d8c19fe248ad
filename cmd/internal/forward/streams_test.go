package forward

import (
	"cmp"
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/cmd/internal/forward/natstest"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/db/redistest"
)

// record holds what a consumer of a stream reads.
type record struct {
	id       string
	subject  string
	envelope string
	fields   map[string]any // of an entry in Redis
	delivery
}

func newRecord(t *testing.T, id, envelope string) record {
	r := record{id: id, envelope: envelope}
	if err := json.Unmarshal([]byte(envelope), &r.delivery); err != nil {
		t.Fatalf("event %q: %v", envelope, err)
	}
	return r
}

// streamServer is a server to which events go, with one stream.
type streamServer interface {
	Kill()
	Restart()
	to() string
	records(t *testing.T) []record // what the stream holds
}

type redisServer struct{ *redistest.Server }

// newRedisServer starts a server that loses nothing with kill -9.
func newRedisServer(t *testing.T) streamServer {
	return redisServer{redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")}
}

func (s redisServer) to() string { return s.URL() + "?stream=orders" }

func (s redisServer) records(t *testing.T) (all []record) {
	t.Helper()
	entries, err := s.Client().XRange(t.Context(), "orders", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		id, _ := e.Values[fieldID].(string)
		envelope, _ := e.Values[fieldEvent].(string)
		r := newRecord(t, id, envelope)
		r.fields = e.Values
		all = append(all, r)
	}
	return all
}

type natsServer struct{ *natstest.Server }

func newNATSServer(t *testing.T) streamServer {
	s := natsServer{natstest.Start(t, natstest.WithJetStream(t, ""))}
	s.AddStream(jetstream.StreamConfig{Name: "orders", Subjects: []string{"orders.>"}})
	return s
}

func (s natsServer) to() string { return s.URL() + "?subject=orders.{type}.{key}" }

func (s natsServer) records(t *testing.T) (all []record) {
	t.Helper()
	stream, err := s.Client().Stream(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := max(1, info.State.FirstSeq); n <= info.State.LastSeq; n++ {
		m, err := stream.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		r := newRecord(t, m.Header.Get("Nats-Msg-Id"), string(m.Data))
		r.subject = m.Subject
		all = append(all, r)
	}
	return all
}

// onEach runs a test with each kind of server.
func onEach(t *testing.T, test func(*testing.T, streamServer)) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) streamServer{"redis": newRedisServer, "nats": newNATSServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

// awaitRecords waits until the stream has so many events without repeats, and returns them.
func awaitRecords(t *testing.T, s streamServer, want int) (found []record) {
	t.Helper()
	pgtest.Within(t, "events in the stream", func() {
		looks := time.NewTicker(50 * time.Millisecond)
		defer looks.Stop()
		for ; len(found) < want; <-looks.C {
			found = withoutRepeats(t, s.records(t))
		}
	})
	return found
}

// withoutRepeats checks that repeats have the id of the first, and that the others are in the order of each key.
func withoutRepeats(t *testing.T, all []record) (found []record) {
	t.Helper()
	first := map[int64]record{}
	last := map[string]int64{}
	for _, r := range all {
		if f, isRepeat := first[r.ID]; isRepeat {
			if f.id != r.id || f.envelope != r.envelope {
				t.Errorf("a repeat of %s %s is %s %s", f.id, f.envelope, r.id, r.envelope)
			}
			continue
		}
		lane := r.Collection + " " + r.Key
		if r.ID < last[lane] {
			t.Errorf("event %d of %q comes after %d", r.ID, lane, last[lane])
		}
		first[r.ID], last[lane] = r, r.ID
		found = append(found, r)
	}
	return found
}

// TestStreams checks what consumers of streams receive, one by one and in batches.
func TestStreams(t *testing.T) {
	onEach(t, func(t *testing.T, s streamServer) {
		databaseURL, conn := orders(t)
		config := testConfig(databaseURL, s.to())
		stop := start(t, config)
		pgtest.Exec(t, conn, `insert into public.orders values (1, 'open', 10)`)
		publish(t, conn, "a.b c")
		found := awaitRecords(t, s, 2)
		checkStopped(t, stop())
		row, note := found[0], found[1]
		if row.Op != "insert" {
			row, note = note, row
		}
		checkFirst(t, row, note)
		pgtest.Exec(t, conn, `update public.orders set total = 11`)
		pgtest.Exec(t, conn, `insert into public.orders select n, 'open', n from generate_series(2, 40) as n`)
		pgtest.Exec(t, conn, `update public.orders set status = 'paid'`)
		pgtest.Exec(t, conn, `truncate public.orders`)
		config.Batch = 10
		start(t, config)
		found = awaitRecords(t, s, 2+1+39+40+1)
		if end := found[len(found)-1]; end.Op != "reset" {
			t.Errorf("the last event is %s", end.envelope)
		}
	})
}

// checkFirst checks the events of a row and of a key.
func checkFirst(t *testing.T, row, note record) {
	t.Helper()
	if row.Collection != "orders" || row.Key != "1" || note.Key != "a.b c" {
		t.Errorf("got %s and %s", row.envelope, note.envelope)
	}
	id := eventID(row.ID, []byte(row.envelope))
	if row.fields == nil {
		if row.subject != "orders."+row.Type+".1" || note.subject != "orders.note.a%2Eb%20c" || row.id != "billing/"+id {
			t.Errorf("got %q on %q, and %q", row.id, row.subject, note.subject)
		}
		return
	}
	if row.id != id || row.fields["type"] != row.Type || row.fields["collection"] != "orders" || row.fields["key"] != "1" {
		t.Errorf("got %v", row.fields)
	}
	if _, has := note.fields["collection"]; has || note.fields["key"] != "a.b c" {
		t.Errorf("got %v", note.fields)
	}
}

// TestKilledStreams checks with random writers, and while the server of the stream and the process that forwards are killed, that the stream
// has every event in the end, in the order of each key, and repeats with the same ids only.
func TestKilledStreams(t *testing.T) {
	onEach(t, func(t *testing.T, s streamServer) {
		databaseURL, conn := orders(t)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		processes := []*process{spawn(t, databaseURL, s.to()), spawn(t, databaseURL, s.to())}
		var writing sync.WaitGroup
		for w := range 3 {
			writer, rng := pgtest.Connect(t, databaseURL), rand.New(rand.NewPCG(seed, uint64(w)+1))
			writing.Go(func() {
				for range 40 {
					write(t, writer, rng)
				}
			})
		}
		for n := range 3 {
			publish(t, conn, "a", "b", "a")
			awaitRecords(t, s, 10*(n+1))
			s.Kill()
			publish(t, conn, "a", "c", "a")
			awaitCount(t, conn, `select count(*) from pgherald.consumers where failing_since is not null`, 1)
			if n < len(processes) {
				processes[n].kill()
				processes[n] = spawn(t, databaseURL, s.to())
			}
			s.Restart()
		}
		writing.Wait()
		checkComplete(t, conn, s)
		awaitParked(t, conn, 0)
	})
}

// checkComplete waits until the stream has every event, and checks that it has nothing else.
func checkComplete(t *testing.T, conn *pgx.Conn, s streamServer) {
	t.Helper()
	var want []int64
	if err := conn.QueryRow(t.Context(), `select array_agg(e.id order by e.id) from pgherald.events as e`).Scan(&want); err != nil {
		t.Fatal(err)
	}
	found := awaitRecords(t, s, len(want))
	slices.SortFunc(found, func(a, b record) int { return cmp.Compare(a.ID, b.ID) })
	for n, r := range found {
		if n >= len(want) || r.ID != want[n] {
			t.Fatalf("the stream has %d events, the log %d; event %d differs", len(found), len(want), r.ID)
		}
	}
	t.Logf("%d events, %d with repeats", len(want), len(s.records(t)))
}

// TestParkedStream checks that an event which a stream refuses is parked with the later ones of its key, and that a replay sends them in order,
// with the ids and subjects of the first attempt.
func TestParkedStream(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	s := natsServer{natstest.Start(t, natstest.WithJetStream(t, ""))}
	limits := jetstream.StreamConfig{Name: "orders", Subjects: []string{"orders.>"}, MaxMsgSize: 500}
	s.AddStream(limits)
	config := testConfig(databaseURL, s.to())
	config.Batch, config.Attempts = 3, 2
	start(t, config)
	large := strings.Repeat("x", 1000)
	pgtest.Exec(t, conn, `select pgherald.publish('note', to_json($1::text), 'bad key')`, large)
	publish(t, conn, "good", "bad key", "good")
	awaitParked(t, conn, 2)
	awaitRecords(t, s, 2)
	limits.MaxMsgSize = -1
	if _, err := s.Client().UpdateStream(t.Context(), limits); err != nil {
		t.Fatal(err)
	}
	if n, err := Replay(t.Context(), databaseURL, "billing", nil); n != 2 || err != nil {
		t.Errorf("replay of %d events: %v", n, err)
	}
	found := awaitRecords(t, s, 4)[2:]
	for n, r := range found {
		if r.subject != "orders.note.bad%20key" || r.id != "billing/"+eventID(r.ID, []byte(r.envelope)) || strings.Contains(r.envelope, large) != (n == 0) {
			t.Errorf("got %s on %s: %.100s", r.id, r.subject, r.envelope)
		}
	}
	awaitParked(t, conn, 0)
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

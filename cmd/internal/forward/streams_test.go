package forward

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

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

package session

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/metrics"
	"github.com/pgherald/pgherald/api/sse"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// kit is a registry whose only route opens a session for alice.
type kit struct {
	*testing.T
	registry  *Registry
	streams   *sse.Server
	admission *admission.Controller
	metrics   *metrics.Metrics
	presence  *countedPresence
	web       *httptest.Server
	expires   time.Time // of alice's token
}

// countedPresence counts the open sessions of each user.
type countedPresence struct {
	mu   sync.Mutex
	open map[string]int
}

func (p *countedPresence) add(user string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[user] += n
}

func (p *countedPresence) Opened(user string) { p.add(user, 1) }
func (p *countedPresence) Closed(user string) { p.add(user, -1) }

func (p *countedPresence) of(user string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[user]
}

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{
		T: t, metrics: metrics.New(""), presence: &countedPresence{open: make(map[string]int)},
		admission: admission.New(admission.Options{Total: 1}),
	}
	feed := stream.NewFeed(streamtest.NewLog("k3f9"), stream.FeedOptions{StaleAfter: 24 * time.Hour})
	if err := feed.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	var err error
	k.streams, err = sse.New(sse.Options{
		Feed: feed, Heartbeat: time.Hour, WriteTimeout: time.Minute, Now: time.Now, Retry: func() int { return 1000 },
		Meter: k.metrics, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { k.streams.Run(context.Background()) })
	k.registry = NewRegistry(Options{Streams: k.streams, Presence: k.presence, Metrics: k.metrics, Logger: logger})
	k.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { k.serve(feed, w, r) }))
	t.Cleanup(func() {
		k.streams.Close()
		running.Wait()
		k.web.Client().CloseIdleConnections()
		k.web.Close()
	})
	return k
}

func (k *kit) serve(feed *stream.Feed, w http.ResponseWriter, r *http.Request) {
	slot, err := k.admission.Admit(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer slot.ReleaseUnlessRetained()
	response, err := k.streams.Begin(w, r)
	if err != nil {
		k.Error(err)
		return
	}
	sub, sync, err := feed.Subscribe(r.Context(), stream.Cursor{}, stream.Filter{})
	if err != nil {
		k.Error(err)
		return
	}
	k.registry.Serve(response, Client{
		Slot: slot, Remote: r.RemoteAddr, Identity: auth.Identity{User: "alice", Expires: k.expires},
	}, sub, sync)
}

// get requests the route and returns the response, which the caller closes.
func (k *kit) get() *http.Response {
	k.Helper()
	response, err := k.web.Client().Get(k.web.URL)
	if err != nil {
		k.Fatal(err)
	}
	return response
}

// sync returns the data line of a stream's first event.
func (k *kit) sync(response *http.Response) string {
	k.Helper()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			return data
		}
	}
	k.Fatalf("the stream ended without an event: %v", lines.Err())
	return ""
}

func (k *kit) waitForCounts(want Counts) {
	k.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		got := k.registry.Counts()
		if got.Total == want.Total && got.Active == want.Active && k.presence.of("alice") == want.Active {
			return
		}
		if time.Now().After(deadline) {
			k.Fatalf("counts: got %+v, %d sessions of alice, want %+v", got, k.presence.of("alice"), want)
		}
		time.Sleep(time.Millisecond)
	}
}

// metric returns whether the metrics contain a line.
func (k *kit) metric(line string) bool {
	recorder := httptest.NewRecorder()
	k.metrics.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return strings.Contains(recorder.Body.String(), line+"\n")
}

func TestSessionReleasesEverythingWhenItsClientLeaves(t *testing.T) {
	k := newKit(t)
	k.expires = time.Now().Add(time.Hour)
	response := k.get()
	if got := k.sync(response); !strings.Contains(got, `"connection":"`) {
		t.Errorf("sync event: got %s, want a connection", got)
	}
	k.waitForCounts(Counts{Total: 1, Active: 1})
	rejected := k.get()
	_ = rejected.Body.Close()
	if rejected.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status of a second stream: got %d, want %d", rejected.StatusCode, http.StatusServiceUnavailable)
	}
	_ = response.Body.Close()
	k.waitForCounts(Counts{Total: 1})
	for _, line := range []string{"pgherald_connections 0", `pgherald_connections_closed_total{reason="client_gone"} 1`} {
		if !k.metric(line) {
			t.Errorf("metrics: %q is missing", line)
		}
	}
	if n := len(k.registry.leases); n != 0 {
		t.Errorf("leases: got %d, want 0", n)
	}
	again := k.get()
	defer again.Body.Close()
	k.sync(again)
}

func TestSessionThatOpensAfterCloseIsClosed(t *testing.T) {
	k := newKit(t)
	k.streams.Close()
	response := k.get()
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Error(err)
	}
	k.waitForCounts(Counts{Total: 1})
	if line := `pgherald_connections_closed_total{reason="server_closed"} 1`; !k.metric(line) {
		t.Errorf("metrics: %q is missing", line)
	}
}

// admit returns a slot for a request of any client.
func (k *kit) admit() *admission.Slot {
	k.Helper()
	slot, err := k.admission.Admit(httptest.NewRequest(http.MethodGet, "/", nil))
	if err != nil {
		k.Fatal(err)
	}
	return slot
}

func TestCloseIsIdempotent(t *testing.T) {
	k := newKit(t)
	s := &Session{slot: k.admit(), user: "alice"}
	s.registry.Store(k.registry)
	k.registry.open(s, auth.Identity{User: "alice"})
	k.presence.Opened("alice")
	k.metrics.Opened(stream.Sync{Mode: stream.ModeLive})
	var closing sync.WaitGroup
	for range 10 {
		closing.Go(func() { s.Close(sse.End{Reason: sse.CloseSlow}) })
	}
	closing.Wait()
	k.waitForCounts(Counts{Total: 1})
	for _, line := range []string{"pgherald_connections 0", `pgherald_connections_closed_total{reason="slow"} 1`} {
		if !k.metric(line) {
			t.Errorf("metrics: %q is missing", line)
		}
	}
	k.admit() // the only slot is free again
}

func TestRenewNeverShortensALease(t *testing.T) {
	k := newKit(t)
	now := time.Now().Round(0)
	s := &Session{slot: k.admit(), user: "alice"}
	s.registry.Store(k.registry)
	id := auth.Identity{User: "alice", Grants: []string{"role:a"}, Expires: now.Add(time.Hour)}
	k.registry.open(s, id)
	if len(s.connection) != ConnectionLength {
		t.Errorf("connection id %q: got %d characters, want %d", s.connection, len(s.connection), ConnectionLength)
	}
	for _, test := range []struct{ until, want time.Time }{
		{now.Add(2 * time.Hour), now.Add(2 * time.Hour)},
		{now.Add(time.Minute), now.Add(2 * time.Hour)},
	} {
		if got, ok := k.registry.Renew(s.connection, auth.Identity{Expires: test.until}); !ok || !got.Equal(test.want) {
			t.Errorf("renew until %v: got %v, %t, want %v", test.until, got, ok, test.want)
		}
	}
	if rights, end, ok := k.registry.Lease(s.connection); !ok || rights != RightsOf(id) || !end.Equal(now.Add(2*time.Hour)) {
		t.Errorf("lease: got the end %v, %t, or other rights", end, ok)
	}
	k.presence.Opened("alice")
	k.metrics.Opened(stream.Sync{Mode: stream.ModeLive})
	s.Close(sse.End{Reason: sse.CloseExpired})
	if _, ok := k.registry.Renew(s.connection, auth.Identity{Expires: now.Add(3 * time.Hour)}); ok {
		t.Error("a closed session was renewed")
	}
}

func TestRightsAreUserAndGrants(t *testing.T) {
	base := auth.Identity{User: "alice", Grants: []string{"a", "b"}}
	for name, id := range map[string]auth.Identity{
		"another user":    {User: "bob", Grants: []string{"a", "b"}},
		"fewer grants":    {User: "alice", Grants: []string{"a"}},
		"a joined grant":  {User: "alice", Grants: []string{"a,b"}},
		"no grants":       {User: "alice"},
		"grants as names": {User: "alice\",\"a", Grants: []string{"b"}},
	} {
		if RightsOf(id) == RightsOf(base) {
			t.Errorf("%s: the rights are equal", name)
		}
	}
	if RightsOf(auth.Identity{User: "alice"}) != RightsOf(auth.Identity{User: "alice", Grants: []string{}, Roles: []string{"x"}}) {
		t.Error("nil and empty grants differ, or roles count")
	}
}

func TestSessionIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Session{}); size > 64 {
		t.Errorf("size of a session: got %d bytes, want at most 64", size)
	}
}

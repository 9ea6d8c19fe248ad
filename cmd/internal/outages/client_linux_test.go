package outages

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/outages/judge"
)

// silenceLimit is the longest time that a client may hear nothing, neither event, heartbeat nor sync, before its
// connection ends.
const silenceLimit = 10 * time.Second

// follower is a client of the soak: it follows the stream over any number of connections until it is closed.
type follower struct {
	judge.Client

	home    int           // index of its server
	strict  bool          // as an EventSource: it stays at its server, and a status other than 200 ends it
	roams   time.Duration // longest time until it moves to another server; 0: it moves when its connection ends
	stops   bool          // at times it reads nothing for a while
	h2      bool
	user    string
	distort *distortion // what the test does to the bytes on their way; nil: nothing

	servers []*instance
	client  *http.Client
	rng     *rand.Rand

	mu       sync.Mutex
	heard    time.Time // when the last byte came, on this connection
	paused   bool
	reading  bool
	finished error // why it ended, if it must not have
	silences []silence
	refused  map[string]int // answers other than a stream
}

// silence is a time in which an open connection brought nothing.
type silence struct{ from, to time.Time }

// newFollower returns a client of servers. It connects from the clients' host.
func newFollower(n *network, name string, home int, servers []*instance, seed uint64) *follower {
	transport := &http.Transport{DialContext: n.dialer(hostClients), DisableCompression: true, DisableKeepAlives: true}
	return &follower{
		Client: judge.Client{Name: name}, home: home, servers: servers, client: &http.Client{Transport: transport},
		rng: rand.New(rand.NewPCG(seed, uint64(home))), refused: make(map[string]int),
	}
}

// useHTTP2 makes the client speak HTTP/2.
func (f *follower) useHTTP2(n *network) {
	transport := &http.Transport{DialContext: n.dialer(hostClients), DisableCompression: true, Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	f.h2, f.client = true, &http.Client{Transport: transport}
}

// run follows the stream until ctx ends.
func (f *follower) run(ctx context.Context) {
	defer f.client.CloseIdleConnections()
	for ctx.Err() == nil {
		err := f.connect(ctx)
		f.Disconnected()
		if ctx.Err() != nil {
			return
		}
		if f.strict && err != nil {
			f.mu.Lock()
			f.finished = err
			f.mu.Unlock()
			return
		}
		wait := 100*time.Millisecond + time.Duration(f.rng.Int64N(int64(300*time.Millisecond)))
		if f.strict {
			wait = f.Retry()
		} else {
			f.home = f.rng.IntN(len(f.servers))
		}
		pause(ctx, wait)
	}
}

// connect makes one connection. It returns an error only for an answer after which an EventSource never returns.
func (f *follower) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.roams > 0 {
		timer := time.AfterFunc(time.Duration(1+f.rng.Int64N(int64(f.roams))), cancel)
		defer timer.Stop()
	}
	response := make(chan struct{})
	go func() { // a connection that was accepted and never answers
		timer := time.NewTimer(silenceLimit)
		defer timer.Stop()
		select {
		case <-response:
		case <-ctx.Done():
		case <-timer.C:
			if !f.strict {
				cancel()
			}
		}
	}()
	resp, err := f.client.Do(f.request(ctx))
	close(response)
	if err != nil {
		return nil // as an EventSource, it tries again
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		f.mu.Lock()
		f.refused[resp.Status]++
		f.mu.Unlock()
		return fmt.Errorf("%s answered %s: %s", f.servers[f.home].host, resp.Status, text)
	}
	f.read(ctx, cancel, resp.Body)
	return nil
}

func (f *follower) request(ctx context.Context) *http.Request {
	query := f.Filter.Query()
	if f.Batch {
		query.Set("batch", "200ms")
	}
	if f.Conflate {
		query.Set("conflate", "1")
	}
	if f.user != "" {
		query.Set("user", f.user)
	}
	cursor := f.Cursor()
	if cursor != "" && !f.strict && f.rng.IntN(2) == 0 {
		query.Set([]string{"since", "lastEventId"}[f.rng.IntN(2)], cursor)
		cursor = ""
	}
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, f.servers[f.home].url()+"/api/events?"+query.Encode(), nil)
	if cursor != "" {
		req.Header.Set("Last-Event-ID", cursor)
	}
	return req
}

// read reads until the connection ends. A watch notices silence.
func (f *follower) read(ctx context.Context, cancel context.CancelFunc, body io.Reader) {
	f.mu.Lock()
	f.heard, f.reading = time.Now(), true
	f.mu.Unlock()
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { f.watch(ctx, cancel) })
	if f.distort != nil {
		body = f.distort.reader(body)
	}
	for buf := make([]byte, 16<<10); ; {
		n, err := body.Read(buf)
		now := time.Now()
		f.Feed(buf[:n], now)
		f.mu.Lock()
		f.endSilence(now)
		f.heard, f.reading = now, err == nil
		f.mu.Unlock()
		if err != nil {
			return
		}
		if f.stops && f.rng.IntN(400) == 0 {
			f.stop(ctx)
		}
	}
}

// stop reads nothing for a while.
func (f *follower) stop(ctx context.Context) {
	f.setPaused(true)
	pause(ctx, time.Second+time.Duration(f.rng.Int64N(int64(8*time.Second))))
	f.setPaused(false)
}

func (f *follower) setPaused(paused bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paused, f.heard = paused, time.Now()
}

// watch ends a connection that is silent for too long, as clients with a watchdog do. An EventSource has none.
func (f *follower) watch(ctx context.Context, cancel context.CancelFunc) {
	for ctx.Err() == nil {
		pause(ctx, 500*time.Millisecond)
		f.mu.Lock()
		silent := !f.paused && time.Since(f.heard) > silenceLimit
		if silent && !f.strict {
			f.endSilence(time.Now())
			cancel()
		}
		f.mu.Unlock()
	}
}

// endSilence notes the silence that ends now, if it was too long.
func (f *follower) endSilence(now time.Time) {
	if !f.paused && now.Sub(f.heard) > silenceLimit {
		f.silences = append(f.silences, silence{f.heard, now})
		f.heard = now
	}
}

// live reports whether the client follows the stream as fast as it can.
func (f *follower) live() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.stops && f.finished == nil
}

// ended returns why the client ended although it must not have.
func (f *follower) ended() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.finished
}

// followers returns clients of every kind.
func followers(n *network, servers []*instance, seed uint64) (all []*follower) {
	add := func(name string, change func(*follower)) {
		f := newFollower(n, name, len(all)%len(servers), servers, seed+uint64(len(all)))
		if change != nil {
			change(f)
		}
		all = append(all, f)
	}
	for i, server := range servers {
		add("EventSource at "+server.host, func(f *follower) { f.strict, f.home = true, i })
		add("steady, first at "+server.host, func(f *follower) { f.home = i })
	}
	add("roaming", func(f *follower) { f.roams = 4 * time.Second })
	add("roaming fast", func(f *follower) { f.roams = time.Second })
	add("HTTP/2", func(f *follower) { f.useHTTP2(n) })
	add("HTTP/2, roaming", func(f *follower) { f.useHTTP2(n); f.roams = 5 * time.Second })
	add("types", func(f *follower) { f.Filter.Types = []string{"item_updated", judge.ProbeType} })
	add("types, roaming", func(f *follower) {
		f.Filter.Types, f.roams = []string{"child_deleted", "activity_updated", "table_truncated", judge.ProbeType}, 3*time.Second
	})
	add("key", func(f *follower) { f.Filter.Keys = []string{"i-1", "i-2", "probe"} })
	add("where", func(f *follower) { f.Filter.Where = map[string][]string{"shard": {"s1", "probe"}} })
	add("where and types, roaming", func(f *follower) {
		f.Filter.Where, f.roams = map[string][]string{"shard": {"s0", "s2", "probe"}}, 4*time.Second
		f.Filter.Types = []string{"item_created", "item_deleted", "scrap_created", judge.ProbeType}
	})
	add("batch", func(f *follower) { f.Batch = true })
	add("batch, roaming", func(f *follower) { f.Batch, f.roams = true, 4*time.Second })
	add("conflate", func(f *follower) { f.Conflate = true })
	add("conflate, roaming", func(f *follower) { f.Conflate, f.roams = true, 3*time.Second })
	add("batch, conflate, where", func(f *follower) {
		f.Batch, f.Conflate, f.Filter.Where = true, true, map[string][]string{"shard": {"s3", "probe"}}
	})
	add("stops reading", func(f *follower) { f.stops = true })
	add("stops reading, conflate", func(f *follower) { f.stops, f.Conflate = true, true })
	add("user ann", func(f *follower) { f.user = "ann" })
	add("user bob, roaming", func(f *follower) { f.user, f.roams = "bob", 4*time.Second })
	return all
}

// post makes a request with a JSON body from the writers' host and returns the Location or the body.
func post(ctx context.Context, client *http.Client, method, at, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if location, err := url.Parse(resp.Header.Get("Location")); err == nil && location.Path != "" {
		return resp.StatusCode, location.Path, nil
	}
	return resp.StatusCode, string(text), err
}

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// TestStaleReplica drops the packets between one replica and PostgreSQL for longer than the limit. Its clients, on every
// protocol and with every way to select events, learn that they are stale, receive no heartbeat meanwhile, are not left in
// silence, and receive everything once: those that wait after the healing, and those that go to the other replica before.
func TestStaleReplica(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	database := pgtest.NewDatabase(t)
	proxy := pgtest.NewProxyOf(t, database)
	dir, trust := t.TempDir(), x509.NewCertPool()
	writeCertificate(t, dir, "stale", trust)
	other := newNode(database)
	startNodes(ctx, t, other)
	cutOff := newNode(proxy.URL(database), func(c *server.Config) { c.Tuning.StaleLimit, c.Listen.H2C = 0, true })
	secure := newNode(proxy.URL(database), func(c *server.Config) {
		c.Tuning.StaleLimit = 0
		c.Listen.TLSCert, c.Listen.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	})
	limited := newNode(proxy.URL(database), func(c *server.Config) { c.Tuning.StaleLimit = 5 * time.Second })
	startNodes(ctx, t, cutOff, secure, limited)
	for _, n := range []*node{other, cutOff, secure, limited} {
		t.Cleanup(func() { n.end(t) })
	}
	awaitHeartbeats(ctx, t, database)

	clock := startClock(t)
	var waiting, leaving []*eventSource
	for _, query := range []string{"", "?batch=100ms", "?conflate=1", "?types=activity_created"} {
		waiting = append(waiting, openEventSource(ctx, t, cutOff.at("/api/events"+query)),
			openEventSourceWith(ctx, t, cutOff.at("/api/events"+query), unencryptedHTTP2(t)),
			openEventSourceWith(ctx, t, secure.at("/api/events"+query), trusting(t, trust, false)),
			openEventSourceWith(ctx, t, secure.at("/api/events"+query), trusting(t, trust, true)))
		leaving = append(leaving, openEventSource(ctx, t, limited.at("/api/events"+query)))
	}
	all := append(append([]*eventSource{}, waiting...), leaving...)
	for _, c := range all {
		c.change(func() { c.now, c.last = clock, clock() })
	}
	for _, c := range all {
		c.await(ctx, "the first event", func() bool { return c.modes["live"] > 0 })
	}
	insertActivity(ctx, t, database, "before")
	for _, c := range all {
		c.awaitEvents(ctx, 1)
	}
	proxy.Blackhole(true)
	for range 8 {
		insertActivity(ctx, t, database, "during")
	}
	for _, c := range all {
		c.await(ctx, "stale", func() bool { return c.modes["stale"] > 0 })
	}
	for _, c := range leaving { // as a balancer would
		c.await(ctx, "the end of the stream", func() bool {
			if c.modes["stale"] > 1 {
				c.url = other.at("/api/events")
			}
			return len(c.events) == 9
		})
	}
	for _, c := range waiting {
		c.await(ctx, "stale, again", func() bool { return c.modes["stale"] > 1 })
		if n := c.count(func() int { return c.beats }); n != 0 {
			t.Errorf("%s: %d heartbeats", c.url, n)
		}
	}
	proxy.Blackhole(false)
	insertActivity(ctx, t, database, "after")
	for _, c := range all {
		c.awaitEvents(ctx, 10)
		c.check(10)
	}
	for _, c := range waiting {
		c.await(ctx, "live", func() bool { return c.modes["live"] >= 2 })
		if opens, longest := c.count(func() int { return c.opens }), time.Duration(c.count(func() int { return int(c.longest) })); opens != 1 || longest > 15*time.Second { // 9 s, on a busy machine a little more
			t.Errorf("%s: %d connections, silent for %v", c.url, opens, longest)
		}
	}
}

// clockTick is the resolution of startClock.
const clockTick = 100 * time.Millisecond

// startClock returns a clock that stands still while this process does, servers and clients alike.
func startClock(t *testing.T) (now func() time.Duration) {
	t.Helper()
	var ticks atomic.Int64
	ticker, stop, ended := time.NewTicker(clockTick), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				ticks.Add(1)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		ticker.Stop()
		close(stop)
		<-ended
	})
	return func() time.Duration { return time.Duration(ticks.Load()) * clockTick }
}

func unencryptedHTTP2(t *testing.T) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// trusting returns a client for HTTPS, with HTTP/2 or without.
func trusting(t *testing.T, trust *x509.CertPool, http2 bool) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(http2)
	transport.Protocols.SetHTTP1(!http2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

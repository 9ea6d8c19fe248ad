package e2e

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

var (
	frozenMoments = flag.Int("frozen.moments", 4, "moments at which TestServerEndsBesideAFrozenPostgreSQL freezes PostgreSQL")
	frozenSeed    = flag.Uint64("frozen.seed", 1, "seed of these moments; 0 chooses one")
)

// frozenBytes is about how many bytes PostgreSQL sends to a server that migrates, starts, and then serves for two seconds. The
// moments are spread over them.
const frozenBytes = 200 << 10

// TestServerEndsBesideAFrozenPostgreSQL freezes PostgreSQL at a random moment of a server: while it migrates, installs triggers,
// connects, lists, prunes, or writes presence. Connections stay open and get no answer. The server ends all the same when it is to end.
func TestServerEndsBesideAFrozenPostgreSQL(t *testing.T) {
	t.Parallel()
	seed := *frozenSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-frozen.seed=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	parts := newParts(t)
	defer parts.wait()
	for n := range *frozenMoments {
		at := (n*frozenBytes + rng.IntN(frozenBytes)) / *frozenMoments
		left := time.Duration(rng.IntN(300)) * time.Millisecond // from then to the signal
		parts.run(fmt.Sprintf("after %d bytes", at), func(t *testing.T) { testFrozen(t, at, left) })
	}
}

func testFrozen(t *testing.T, at int, left time.Duration) {
	ctx := testContext(t)
	database := pgtest.NewDatabase(t)
	proxy := pgtest.NewProxyOf(t, database)
	proxy.BlackholeAfter(at)
	n := newNode(proxy.URL(database), func(c *server.Config) {
		c.Tuning.TriggerCheckInterval, c.EventLog.RetainAge = 100*time.Millisecond, time.Nanosecond
	})
	using, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = n.start(using) }) // until it serves or is to end
	for i := range 4 {
		running.Go(func() { useUntil(using, n, i) })
	}
	waitFor(ctx, t, "the black hole", proxy.IsBlackhole)
	pause(ctx, left)
	began := time.Now()
	err := n.stop()
	t.Logf("ended %v after the signal, %s", time.Since(began).Round(time.Millisecond), n.lastStep())
	if err != nil {
		t.Error(err)
	}
	stop()
	pgtest.Within(t, "the end of the clients", running.Wait)
	if t.Failed() {
		t.Logf("the server's log ends with:\n%s", n.log.tail())
	}
}

// lastStep returns the last line of the log before the signal.
func (n *node) lastStep() string {
	text, _, _ := strings.Cut(n.log.String(), `"msg":"draining"`)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	_, message, _ := strings.Cut(lines[max(0, len(lines)-2)], `"msg":`)
	return fmt.Sprintf("%.80s", message)
}

// useUntil makes requests until ctx ends, whatever the answers are.
func useUntil(ctx context.Context, n *node, kind int) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		var body io.Reader // a GET request with one would be refused
		method, path := http.MethodGet, []string{"/api/activities", "/api/events?user=ann", "/api/presence", "/api/activities"}[kind%4]
		if kind%4 == 3 {
			method, body = http.MethodPost, strings.NewReader(activity)
		}
		limited, cancel := context.WithTimeout(ctx, time.Second)
		request, err := http.NewRequestWithContext(limited, method, n.at(path), body)
		if err == nil {
			request.Header.Set("Content-Type", "application/json")
			if response, err := client.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		}
		cancel()
		pause(ctx, 5*time.Millisecond)
	}
}

package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/db/redistest"
)

// newEdge returns a server without a database, which is not started. The test must call end.
func newEdge(redis *redistest.Server, changes ...func(*server.Config)) *node {
	config := server.DefaultConfig()
	config.Source, config.Listen.Addr, config.Tuning.Drain = redis.URL(), "127.0.0.1:0", time.Second
	for _, change := range changes {
		change(&config)
	}
	return &node{config: config}
}

// relayProgram runs pgherald relay with the lease of a test.
func relayProgram(t *testing.T, databaseURL string, redis *redistest.Server, args ...string) *program {
	t.Helper()
	return startProgram(t, buildProgram(t), append([]string{
		"relay", "--database-url=" + databaseURL, "--stream-url=" + redis.URL(), "--lease=3s",
	}, args...)...)
}

// edgeProgram runs an edge and returns its URL once it is ready.
func edgeProgram(t *testing.T, redis *redistest.Server, args ...string) (p *program, url string) {
	t.Helper()
	p = startProgram(t, buildProgram(t), append([]string{"serve", "--source=" + redis.URL(), "--addr=127.0.0.1:0"}, args...)...)
	return p, p.awaitLog(t, "serving", "url")
}

// stop ends the program and waits.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	<-p.ended
	if p.err != nil {
		t.Errorf("the program ended with %v", p.err)
	}
}

// moveTo makes the node a server at another URL.
func (n *node) moveTo(url string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.url = url
}

// TestEdgesExactlyOnceInOrder has subscribers at two edges and a plain server, some of which change their server with one cursor, while writers
// contend. The active relay and an edge are killed, and Redis comes back empty, and with an old dump.
func TestEdgesExactlyOnceInOrder(t *testing.T) {
	t.Parallel()
	buildProgram(t)
	tr := newTrial(t, pgtest.NewDatabase(t), judge.Counters())
	redis := redistest.Start(t)
	plain := tr.node(tr.url)
	startNodes(tr.ctx, t, plain)
	spec := "--spec=" + plain.config.Database.Spec
	active := relayProgram(t, tr.url, redis, spec)
	active.awaitLog(t, "relay became active", "stream")
	standby := relayProgram(t, tr.url, redis, spec)
	edge, killed := newEdge(redis, smallFeed), &node{}
	tr.nodes = append(tr.nodes, edge)
	startNodes(tr.ctx, t, edge)
	victim, url := edgeProgram(t, redis)
	killed.moveTo(url)

	filtered := tr.subscriber("filtered, at all servers", plain, edge, killed)
	filtered.types = []string{tr.table.UpdateType}
	filtered.leaveAtRandom(20_000)
	roaming := tr.subscriber("at all servers", plain, edge, killed)
	roaming.leaveAtRandom(10_000)
	away := tr.subscriber("often away, at the edges", edge, killed)
	away.leaveAtRandom(20_000)
	away.beforeReconnect = tr.forCommits(away, 100)
	tr.subscribe(tr.subscriber("steady at an edge", edge), tr.subscriber("at an edge that is killed", killed),
		tr.subscriber("steady at the plain server", plain), filtered, roaming, away)
	tr.write(4, false)
	tr.waitCommits(50)
	redis.Save()
	old := redis.Dump()
	tr.waitCommits(50)

	active.signal(t, syscall.SIGKILL)
	standby.awaitLog(t, "relay became active", "stream")
	tr.waitCommits(50)
	victim.signal(t, syscall.SIGKILL)
	tr.waitCommits(20)
	_, url = edgeProgram(t, redis)
	killed.moveTo(url)
	tr.waitCommits(50)
	for _, dump := range [][]byte{nil, old} {
		redis.Kill()
		tr.waitCommits(20)
		if redis.Wipe(); dump != nil {
			redis.Restore(dump)
		}
		redis.Restart()
		tr.waitCommits(50)
	}
	tr.finish()
}

// TestEdgesFollowCollections has clients that load lists from a plain server and follow them at edges and at that server, with filters, batches,
// conflated and in pages. What each holds must be what SQL selects.
func TestEdgesFollowCollections(t *testing.T) {
	t.Parallel()
	buildProgram(t)
	const tables, writes, filters = 6, 150, 30
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p := newProofOf(t, testDatabase{name: "generated", load: generated(seed, tables)}, seed, writes)
	redis := redistest.Start(t)
	relayProgram(t, p.url, redis, "--tables=*").awaitLog(t, "relay became active", "stream")
	p.filterCount, p.streams = filters, slices.Clone(p.nodes[:1])
	quick := func(c *server.Config) { c.Tuning.Heartbeat = 200 * time.Millisecond }
	for _, n := range []*node{newEdge(redis, quick), newEdge(redis, quick, smallFeed)} {
		t.Cleanup(func() { n.end(t) })
		startNodes(p.ctx, t, n)
		p.streams = append(p.streams, n)
	}
	p.follow()
	p.write()
	p.finish()
}

// TestEdgesKnowTheirClients checks what edges share: tickets and renewals go from one to the other, a revocation at the plain server ends streams
// at an edge, users are online, and audiences permit at an edge what they permit at the plain server.
func TestEdgesKnowTheirClients(t *testing.T) {
	t.Parallel()
	buildProgram(t)
	ctx := testContext(t)
	databaseURL, redis := pgtest.EmptyDatabase(t), redistest.Start(t)
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, `create table public.parcels (id int primary key, owner text, at text); create table public.boxes (id int primary key)`)
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(spec, []byte(parcelsSpec), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens := func(c *server.Config) {
		requireTokens(c)
		c.Tokens.Leeway, c.Tokens.OperatorRole, c.Tuning.Heartbeat = 0, "operator", 100*time.Millisecond
	}
	plain := newNode(databaseURL, tokens, func(c *server.Config) { c.Database.Spec = spec })
	defer plain.end(t)
	startNodes(ctx, t, plain)
	relayProgram(t, databaseURL, redis, "--spec="+spec)
	one, two := newEdge(redis, tokens), newEdge(redis, tokens)
	defer one.end(t)
	defer two.end(t)
	startNodes(ctx, t, one, two)

	edges := &tokenTest{T: t, ctx: ctx, first: one, second: two}
	var s *renewedStream
	for lifetime := 3 * time.Second; s == nil; lifetime *= 2 {
		s = edges.renew(lifetime)
	}
	edges.expect(401, one, "GET", "/api/events?ticket="+s.ticket, "", "") // it was used at the other edge
	for s.at.Before(s.expires.Add(100 * time.Millisecond)) {
		s.next("heartbeat")
	}
	edges.expect(501, one, "GET", "/api/presence", "", s.long)

	open := func(n *node, user string) *received { return follow(ctx, t, n, user) }
	atPlain := open(plain, "ann")
	readTo(t, atPlain.lines, `{"userId":"ann","isOnline":true}`)
	atEdge, bob := open(one, "ann"), open(two, "bob")
	readTo(t, atPlain.lines, `{"userId":"bob","isOnline":true}`) // whom only an edge knows
	pgtest.Exec(t, conn, `insert into public.parcels values (1, 'ann', 'home'), (2, 'bob', 'home'), (3, null, 'lost')`)
	pgtest.Exec(t, conn, `update public.parcels set owner = 'bob' where id = 1`)
	pgtest.Exec(t, conn, `select pgherald.publish('note', '"psst"', audience => '{user:ann}')`)
	pgtest.Exec(t, conn, `select pgherald.publish('note', '"all"')`)
	want, got := atPlain.to(`"data":"all"`), atEdge.to(`"data":"all"`)
	if parcels(want) != parcels(got) || !strings.Contains(got, "psst") {
		t.Errorf("the plain server sent\n%s\nand the edge\n%s", want, got)
	}
	checkContains(t, "bob", bob.to(`"data":"all"`), map[string]bool{`"id":1,"owner":"ann"`: false, `"id":1,"owner":"bob"`: true, "psst": false, `"id":3,"owner"`: false})

	end := make(chan string, 1)
	go func() { end <- bob.toEnd() }()
	servers := &tokenTest{T: t, ctx: ctx, first: plain, second: two}
	if status, _ := servers.revoke(newToken(t, "root", inAnHour(), "operator"), `{"user":"bob"}`); status != 204 {
		t.Fatalf("revoke: %d", status)
	}
	if text := <-end; !strings.Contains(text, `"expired"`) {
		t.Errorf("the stream of a revoked token ended with %s", text)
	}
	for _, n := range []*node{one, two} {
		waitFor(ctx, t, "the revocation at an edge", func() bool {
			status, _ := servers.settled(n, "GET", "/api/collections", "", bob.token)
			return status == 401
		})
	}
	readTo(t, atPlain.lines, `{"userId":"bob","isOnline":false}`)

	const more = parcelsSpec + "  - name: public.boxes\n    collection: boxes\n"
	if err := os.WriteFile(spec, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	apply := startProgram(t, buildProgram(t), "apply", "--database-url="+databaseURL, "--spec="+spec)
	if <-apply.ended; apply.err != nil {
		t.Fatal(apply.err)
	}
	waitFor(ctx, t, "the new collection at an edge", func() bool {
		return send(ctx, t, one.at("/api/events?collection=boxes"), "Authorization", "Bearer "+atEdge.token).StatusCode == 200
	})
}

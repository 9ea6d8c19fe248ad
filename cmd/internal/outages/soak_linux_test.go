package outages

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/outages/judge"
)

var (
	binaryFlag = flag.String("outages.binary", "", "a pgherald to test, instead of one that the test builds")
	runFlag    = flag.Bool("outages.run", false, "run the soak, which takes minutes and needs root")
	timeFlag   = flag.Duration("outages.time", 0, "how long faults go on; each kind comes once at least")
	holdFlag   = flag.Duration("outages.hold", 2*time.Second, "how long a fault lasts at least")
	holdMax    = flag.Duration("outages.hold-max", 3*time.Second, "how long a fault lasts at most")
	onlyFlag   = flag.String("outages.only", "", "pattern of the names of the faults; empty means all")
	tableFlag  = flag.String("outages.table", "", "file for the table of recovery times")
	seedFlag   = flag.Uint64("outages.seed", 0, "seed of the soak's choices; 0 means a random one")
	sabotage   = flag.String("outages.sabotage", "", "drop, repeat, swap or delay one event of a client, or ledger: the judge must fail")
	logsFlag   = flag.String("outages.logs", "", "directory for the logs of the servers")
	everyFlag  = flag.Int("outages.sabotage-every", 100_000, "events before the sabotage")
)

// recoveryLimit is the longest time that the soak waits for a client after a fault. It is no promise of the servers: the
// machine may be busy with other things.
const recoveryLimit = 5 * time.Minute

// soak is one run.
type soak struct {
	t        *testing.T
	net      *network
	pair     *pair
	pool     *pooler
	redis    *redisServer
	replicas []*instance
	relays   []*instance
	edges    []*instance
	clients  []*follower
	writers  []*writer
	rng      *rand.Rand
	began    time.Time // of the writers
	table    table
	excused  []period // when clients may hear nothing
	stalls   stalls
	probes   int
	window   judge.Window // the time whose events every client must have

	reading, writing sync.WaitGroup
	endReading       context.CancelFunc
	endWriting       context.CancelFunc
}

// period is the time of a fault and of the recovery from it.
type period struct{ from, to time.Time }

// TestOutages runs every kind of fault under load, and judges what the clients received.
func TestOutages(t *testing.T) {
	s := newSoak(t)
	if *sabotage != "" && *sabotage != "ledger" {
		s.clients[1].distort = &distortion{kind: *sabotage, every: *everyFlag}
	}
	kinds := s.choose(faults())
	s.start()
	t.Logf("%d clients, %d writers, %d kinds of faults", len(s.clients), len(s.writers), len(kinds))
	end := time.Now().Add(*timeFlag)
	for round := 0; round == 0 || time.Now().Before(end); round++ {
		for _, f := range kinds {
			if round == 0 || time.Now().Before(end) {
				s.suffer(f)
			}
		}
		s.checkTurns()
		s.rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	}
	s.report("")
	h := s.finish()
	s.report(fmt.Sprintf("\nfaults: %d; %d events in the log, %d writes in the audit.\n", s.table.faults(), len(h.Log), len(h.Audit)))
	if *sabotage == "ledger" {
		h.Audit = append(h.Audit, forged)
	}
	for _, err := range s.check(h) {
		t.Error(err)
	}
}

// report says the recovery times, and what is known of the run besides.
func (s *soak) report(more string) {
	text := s.table.String() + more
	s.t.Logf("recovery times:\n%s", text)
	if *tableFlag == "" {
		return
	}
	if err := os.WriteFile(*tableFlag, []byte(text), 0o644); err != nil {
		s.t.Error(err)
	}
}

// choose returns the faults of this run.
func (s *soak) choose(all []fault) (chosen []fault) {
	only := regexp.MustCompile(*onlyFlag)
	for _, f := range all {
		if !only.MatchString(f.name) {
			continue
		}
		if f.missing != nil && f.missing(s) != "" {
			s.t.Logf("without %q: %s", f.name, f.missing(s))
			continue
		}
		chosen = append(chosen, f)
	}
	return chosen
}

// newSoak creates the network, the databases and the servers.
func newSoak(t *testing.T) *soak {
	t.Helper()
	if !*runFlag {
		t.Skip("tools/soak runs this test, as root and with -outages.run")
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	ctx, cancel := context.WithTimeout(t.Context(), recoveryLimit)
	defer cancel()
	s := &soak{t: t, net: newNetwork(t), rng: rand.New(rand.NewPCG(seed, 0))}
	binary, dir := buildServer(t), t.TempDir()
	s.pair = newPair(ctx, t, s.net)
	s.prepareDatabase(ctx)
	s.pool = newPooler(t, s.net, s.pair)
	s.redis = newRedisServer(t, s.net)
	s.must(s.redis.start(ctx))
	s.startInstances(ctx, binary, dir)
	s.clients = followers(s.net, s.servers(), seed)
	s.writers = writers(s.net, s.pair, s.replicas, seed)
	return s
}

func (s *soak) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// burners use up transaction ids, each in a transaction or in a subtransaction of one.
const burners = `
create table soak.ash (n int);
create procedure soak.burn(n int) language plpgsql as $$
begin
    for i in 1..n loop
        perform pg_catalog.pg_current_xact_id();
        commit;
    end loop;
end
$$;
create function soak.burn_nested(n int) returns void language plpgsql as $$
begin
    for i in 1..n loop
        begin
            insert into soak.ash values (i);
        exception when division_by_zero then null;
        end;
    end loop;
    delete from soak.ash;
end
$$;
`

// prepareDatabase creates roles, database and tables.
func (s *soak) prepareDatabase(ctx context.Context) {
	s.t.Helper()
	_, err := s.net.run(ctx, hostWriters, "create role herald login createrole; create role app login; create database soak owner herald;",
		"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "postgres://postgres@"+addresses[hostFirst]+":5432/postgres")
	s.must(err)
	conn, err := s.pair.connect(ctx, "herald")
	s.must(err)
	_, err = conn.Exec(ctx, judge.Schema+burners+fmt.Sprintf(`
grant usage on schema soak to app;
grant all on all tables in schema soak to app;
insert into soak.items (id, shard) select 'i-' || n, 's' || n %% 4 from generate_series(0, %d) as n;
truncate soak.audit;`, hotRows-1))
	s.must(err)
	s.must(conn.Close(ctx))
}

// start starts the clients, waits until they listen, and starts the writers.
func (s *soak) start() {
	s.t.Helper()
	reading, endReading := context.WithCancel(context.Background())
	writing, endWriting := context.WithCancel(context.Background())
	s.endReading, s.endWriting = endReading, endWriting
	s.t.Cleanup(func() {
		endWriting()
		s.writing.Wait()
		endReading()
		s.reading.Wait()
	})
	s.reading.Go(func() { s.stalls.run(reading) })
	for _, c := range s.clients {
		s.reading.Go(func() { c.run(reading) })
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), recoveryLimit)
	defer cancel()
	for _, c := range s.clients {
		if !await(ctx, func() bool { return !c.Synced().IsZero() }) {
			s.t.Fatalf("%s has no stream: %v, %v", c.Name, c.ended(), c.refused)
		}
	}
	s.began = time.Now()
	for _, w := range s.writers {
		s.writing.Go(func() { w.run(writing) })
	}
	s.must(s.probe(ctx))
}

// suffer causes a fault and measures how long the clients need after it.
func (s *soak) suffer(f fault) {
	s.t.Helper()
	hold := *holdFlag + time.Duration(s.rng.Int64N(int64(max(1, *holdMax-*holdFlag))))
	ctx, cancel := context.WithTimeout(s.t.Context(), hold+recoveryLimit)
	defer cancel()
	from := time.Now()
	s.must(wrap(f.name, f.inject(ctx, s, hold)))
	healed := time.Now()
	s.must(wrap(f.name, s.probe(ctx)))
	to := time.Now()
	s.table.add(f.name, s.measure(f, from, healed, to))
	if f.mute {
		s.excused = append(s.excused, period{from, to})
	}
	if f.after != nil {
		s.must(wrap(f.name, f.after(ctx, s)))
	}
	s.t.Logf("%s: %s, %s", f.name, healed.Sub(from).Round(time.Millisecond), s.table.last(f.name))
	s.logResets(from)
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// checkTurns waits until each writer has written again.
func (s *soak) checkTurns() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), recoveryLimit)
	defer cancel()
	for _, w := range s.writers {
		before := w.turns.Load()
		if !await(ctx, func() bool { return w.turns.Load() > before }) {
			w.mu.Lock()
			s.t.Errorf("the writer %s writes nothing: %v", w.name, w.lastErr)
			w.mu.Unlock()
		}
	}
}

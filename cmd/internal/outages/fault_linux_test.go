package outages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// fault is a kind of fault. inject causes it, holds it for a time, and heals it.
type fault struct {
	name   string
	inject func(ctx context.Context, s *soak, hold time.Duration) error
	// after repairs what later faults need, once the clients' waiting times are known.
	after func(ctx context.Context, s *soak) error
	// mute is set if clients may hear nothing meanwhile: their server is frozen, or the network in between is cut.
	mute bool
	// blind is set if a server cannot read the log meanwhile: it must say so to its clients.
	blind bool
	// missing says what this machine lacks for the fault.
	missing func(s *soak) string
}

// leaderLock is the key of the notify leader's advisory lock, as docs/operations.md says.
const leaderLock = "8099557239769099266"

// ours selects the sessions of the servers.
const ours = `select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where usename = 'herald'`

// faults returns the kinds.
func faults() []fault {
	return slices.Concat(processFaults(), networkFaults(), databaseFaults(), edgeFaults())
}

// processFaults are those of the servers and of PgBouncer.
func processFaults() []fault {
	return []fault{
		{name: "replica killed", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.killed(ctx, hold, s.anyReplica())
		}},
		{name: "replica frozen", mute: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			r := s.anyReplica()
			r.process().signal(syscall.SIGSTOP)
			pause(ctx, hold)
			r.process().signal(syscall.SIGCONT)
			return nil
		}},
		{name: "rolling restart", inject: func(ctx context.Context, s *soak, _ time.Duration) error {
			for i, r := range s.replicas {
				if err := s.restarted(ctx, r, s.edges[i%edgeCount]); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "all replicas killed", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.killed(ctx, hold, s.replicas...)
		}},
		{name: "PgBouncer restarted", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			s.pool.kill()
			pause(ctx, hold)
			return s.pool.start(ctx)
		}},
	}
}

// dropped drops what a host receives from others.
func dropped(host func(*soak) string, others func(*soak) []string) func(context.Context, *soak, time.Duration) error {
	return func(ctx context.Context, s *soak, hold time.Duration) error {
		return s.filtered(ctx, hold, map[string][]string{host(s): {from(others(s)...) + "drop"}})
	}
}

func replicasOf(*soak) []string { return []string{"r1", "r2", "r3"} }

// readersOf returns the hosts that read the log in PostgreSQL.
func readersOf(s *soak) []string { return append(replicasOf(s), relaysOf(s)...) }

func databasesOf(*soak) []string { return []string{hostFirst, hostSecond, hostPooler} }

func primaryOf(s *soak) string { return s.pair.primary().host }

// networkFaults are those between replicas and relays, PostgreSQL, and clients.
func networkFaults() []fault {
	all := append(readersOf(nil), databasesOf(nil)...)
	everywhere := func(rule string, peers func(host string) []string, port string) map[string][]string {
		rules := make(map[string][]string)
		for _, host := range all {
			rules[host] = []string{from(peers(host)...) + port + rule}
		}
		return rules
	}
	other := func(host string) []string {
		if slices.Contains(databasesOf(nil), host) {
			return readersOf(nil)
		}
		return databasesOf(nil)
	}
	return []fault{
		{name: "replica cut off from PostgreSQL", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.cut(ctx, hold, []string{s.anyReplica().host}, databasesOf(s))
		}},
		{name: "all servers cut off from PostgreSQL", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.filtered(ctx, hold, everywhere("drop", other, ""))
		}},
		{name: "only packets to PostgreSQL dropped", blind: true, inject: dropped(primaryOf, readersOf)},
		{name: "only packets from PostgreSQL dropped", blind: true, inject: dropped(func(s *soak) string { return s.anyReplica().host }, databasesOf)},
		{name: "connections to PostgreSQL reset", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.filtered(ctx, hold, everywhere("reject with tcp reset", other, "meta l4proto tcp "))
		}},
		{name: "a third of the packets lost", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.filtered(ctx, hold, everywhere("drop", other, "numgen random mod 3 == 0 "))
		}},
		{name: "packets delayed and reordered", missing: func(s *soak) string {
			if s.hasNetem() {
				return ""
			}
			return "the kernel has no netem"
		}, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.delayed(ctx, hold)
		}},
		{name: "replica's network down", mute: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			host := s.anyReplica().host
			if _, err := s.net.run(ctx, host, "", "ip", "link", "set", "eth0", "down"); err != nil {
				return err
			}
			pause(ctx, hold)
			_, err := s.net.run(ctx, host, "", "ip", "link", "set", "eth0", "up")
			return err
		}},
		{name: "clients cut off from a replica", mute: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			host := s.anyReplica().host
			return s.filtered(ctx, hold, map[string][]string{host: {from(hostClients) + "drop"}, hostClients: {from(host) + "drop"}})
		}},
		{name: "clients' connections reset", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			rules := make(map[string][]string)
			for _, host := range append(replicasOf(s), edgesOf(s)...) {
				rules[host] = []string{from(hostClients) + "tcp dport 8080 reject with tcp reset"}
			}
			return s.filtered(ctx, hold/4, rules)
		}},
	}
}

// filtered applies rules for a time.
func (s *soak) filtered(ctx context.Context, hold time.Duration, rules map[string][]string) error {
	var errs []error
	for host, lines := range rules {
		errs = append(errs, s.net.filter(ctx, host, lines...))
	}
	pause(ctx, hold)
	return errors.Join(append(errs, s.net.clear(context.WithoutCancel(ctx)))...)
}

func (s *soak) hasNetem() bool {
	const host = hostClients
	_, err := s.net.run(context.Background(), host, "", "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "1ms")
	if err == nil {
		_, err = s.net.run(context.Background(), host, "", "tc", "qdisc", "del", "dev", "eth0", "root")
	}
	return err == nil
}

// delayed delays and reorders the packets between replicas and all others.
func (s *soak) delayed(ctx context.Context, hold time.Duration) error {
	var errs []error
	for _, r := range s.replicas {
		_, err := s.net.run(ctx, r.host, "", "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "150ms", "100ms", "loss", "5%", "reorder", "20%")
		errs = append(errs, err)
	}
	pause(ctx, hold)
	for _, r := range s.replicas {
		_, err := s.net.run(context.WithoutCancel(ctx), r.host, "", "tc", "qdisc", "del", "dev", "eth0", "root")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// sql is a fault that statements of the superuser cause.
func sql(statements ...string) func(context.Context, *soak, time.Duration) error {
	return func(ctx context.Context, s *soak, _ time.Duration) error { return s.pair.exec(ctx, statements...) }
}

// terminated ends sessions of the servers again and again.
func terminated(which string) func(context.Context, *soak, time.Duration) error {
	return func(ctx context.Context, s *soak, hold time.Duration) error {
		return s.repeat(ctx, hold, 300*time.Millisecond, ours+" and "+which)
	}
}

// repeat runs a statement again and again for a time.
func (s *soak) repeat(ctx context.Context, hold, every time.Duration, statement string) error {
	for end := time.Now().Add(hold); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, every) {
		if err := s.pair.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// held runs statements in a transaction, keeps it open for a time, and rolls it back.
func held(role string, statements ...string) func(context.Context, *soak, time.Duration) error {
	return func(ctx context.Context, s *soak, hold time.Duration) error {
		conn, err := s.pair.connect(ctx, role)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for _, sql := range append([]string{`begin isolation level repeatable read`}, statements...) {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("run %q: %w", sql, err)
			}
		}
		pause(ctx, hold)
		_, err = conn.Exec(ctx, `rollback`)
		return err
	}
}

package outages

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"
)

// edgeFaults are those of relays, of Redis and of edges.
func edgeFaults() []fault {
	return append(append(relayFaults(), redisFaults()...), edgeProcessFaults()...)
}

func relaysOf(*soak) []string { return []string{"relay1", "relay2"} }

func edgesOf(*soak) []string { return []string{"e1", "e2", "e3"} }

// relayFaults are those of the relay that has the lease. Edges say that they are stale if none copies for long.
func relayFaults() []fault {
	cut := func(others func(*soak) []string) func(context.Context, *soak, time.Duration) error {
		return func(ctx context.Context, s *soak, hold time.Duration) error {
			r, err := s.activeRelay(ctx, nil)
			if err != nil {
				return err
			}
			return s.cut(ctx, hold, []string{r.host}, others(s))
		}
	}
	return []fault{
		{name: "relay killed", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			r, err := s.activeRelay(ctx, nil)
			if err != nil {
				return err
			}
			return s.killed(ctx, hold, r)
		}},
		{name: "both relays killed", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.killed(ctx, hold, s.relays...)
		}},
		{name: "relay frozen for longer than its lease", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			r, err := s.activeRelay(ctx, nil)
			if err != nil {
				return err
			}
			r.process().signal(syscall.SIGSTOP)
			_, err = s.activeRelay(ctx, r)
			pause(ctx, hold)
			r.process().signal(syscall.SIGCONT) // it may write what it was about to write: Redis must refuse that
			return err
		}},
		{name: "relay cut off from PostgreSQL", blind: true, inject: cut(databasesOf)},
		{name: "relay cut off from Redis", blind: true, inject: cut(func(*soak) []string { return []string{hostRedis} })},
	}
}

// redisFaults are those of Redis.
func redisFaults() []fault {
	again := func(kept func(s *soak) error) func(context.Context, *soak, time.Duration) error {
		return func(ctx context.Context, s *soak, hold time.Duration) error {
			s.redis.kill()
			pause(ctx, hold)
			return errors.Join(kept(s), s.redis.start(ctx))
		}
	}
	return []fault{
		{name: "Redis killed", blind: true, inject: again(func(*soak) error { return nil })},
		{name: "Redis restarted empty", blind: true, inject: again(func(s *soak) error { return s.redis.empty() })},
		{name: "Redis restored from an old dump", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			if err := s.redis.save(ctx); err != nil {
				return err
			}
			pause(ctx, hold) // what comes now is not in the dump
			s.redis.kill()
			return s.redis.startFromDump(ctx)
		}},
		{name: "Redis frozen", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			s.redis.signal(syscall.SIGSTOP)
			pause(ctx, hold)
			s.redis.signal(syscall.SIGCONT)
			return nil
		}},
		{name: "Redis cut off from all", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.cut(ctx, hold, []string{hostRedis}, append(relaysOf(s), edgesOf(s)...))
		}},
		{name: "Redis full", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			if err := s.redis.configure(ctx, "maxmemory", "1"); err != nil {
				return err
			}
			pause(ctx, hold)
			return s.redis.configure(ctx, "maxmemory", "0")
		}},
	}
}

// edgeProcessFaults are those of an edge.
func edgeProcessFaults() []fault {
	return []fault{
		{name: "edge killed", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.killed(ctx, hold, s.anyOf(s.edges))
		}},
		{name: "edge frozen", mute: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			e := s.anyOf(s.edges)
			e.process().signal(syscall.SIGSTOP)
			pause(ctx, hold)
			e.process().signal(syscall.SIGCONT)
			return nil
		}},
		{name: "edge cut off from Redis", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			return s.cut(ctx, hold, []string{s.anyOf(s.edges).host}, []string{hostRedis})
		}},
		{name: "all edges killed, Redis empty", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			for _, e := range s.edges {
				e.kill()
			}
			s.redis.kill()
			if err := errors.Join(s.redis.empty(), s.redis.start(ctx)); err != nil {
				return err
			}
			return s.killed(ctx, hold, s.edges...)
		}},
	}
}

// killed kills instances, waits, and starts them again.
func (s *soak) killed(ctx context.Context, hold time.Duration, all ...*instance) error {
	for _, i := range all {
		i.kill()
	}
	pause(ctx, hold)
	var errs []error
	for _, i := range all {
		errs = append(errs, i.start())
	}
	for _, i := range all {
		errs = append(errs, i.awaitReady(ctx))
	}
	return errors.Join(errs...)
}

// restarted restarts two instances at the same time.
func (s *soak) restarted(ctx context.Context, one, other *instance) error {
	var beside sync.WaitGroup
	var err error
	beside.Go(func() { err = other.restart(ctx) })
	first := one.restart(ctx)
	beside.Wait()
	return errors.Join(first, err)
}

// cut drops all packets between hosts and others for a time.
func (s *soak) cut(ctx context.Context, hold time.Duration, hosts, others []string) error {
	rules := make(map[string][]string)
	for _, host := range hosts {
		rules[host] = []string{from(others...) + "drop"}
	}
	for _, host := range others {
		rules[host] = []string{from(hosts...) + "drop"}
	}
	return s.filtered(ctx, hold, rules)
}

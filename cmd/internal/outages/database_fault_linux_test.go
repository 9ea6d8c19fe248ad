package outages

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// databaseFaults are those of PostgreSQL and of neighbours in the database.
func databaseFaults() []fault {
	return append(sessionFaults(), serverFaults()...)
}

// sessionFaults are those that other sessions cause.
func sessionFaults() []fault {
	return []fault{
		{name: "all sessions of the servers ended", inject: terminated(`true`)},
		{name: "listeners ended", inject: terminated(`query ilike 'listen%'`)},
		{name: "leader ended", inject: terminated(`pid in (select l.pid from pg_catalog.pg_locks as l where l.locktype = 'advisory')`)},
		{name: "readers ended", inject: terminated(`(query like '%pgherald.events%' or state = 'active')`)},
		{name: "connection limit reached", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			if err := s.pair.exec(ctx, `alter role herald connection limit 3`, ours+` and pid % 2 = 0`); err != nil {
				return err
			}
			pause(ctx, hold)
			return s.pair.exec(ctx, `alter role herald connection limit -1`)
		}},
		{name: "all connections taken", inject: fullHouse},
		{name: "row of pgherald.log locked", inject: held("postgres", `select from pgherald.log for update`)},
		{name: "pgherald.events locked", blind: true, inject: held("postgres", `lock table pgherald.events in access exclusive mode`)},
		{name: "pgherald.events locked for writers", inject: held("postgres", `lock table pgherald.events in share mode`)},
		{name: "long transaction with an old snapshot", inject: held("app", `select count(*) from soak.items`,
			`insert into soak.items (id, shard) values ('old-' || pg_catalog.txid_current(), 's0')`)},
		{name: "leader's lock squatted", inject: squat},
		{name: "VACUUM FULL of the log", inject: sql(`vacuum (full, analyze) pgherald.events`)},
		{name: "REINDEX of the log", inject: sql(`reindex table pgherald.events`)},
		{name: "30,000 transaction ids burnt", inject: sql(`call soak.burn(15000)`, `select soak.burn_nested(15000)`)},
	}
}

// fullHouse takes all connections that PostgreSQL allows, and ends a part of the servers' sessions.
func fullHouse(ctx context.Context, s *soak, hold time.Duration) error {
	var guests []*pgx.Conn
	defer func() {
		for _, guest := range guests {
			guest.Close(context.WithoutCancel(ctx))
		}
	}()
	take := func() {
		for ctx.Err() == nil {
			guest, err := s.pair.connect(ctx, "app")
			if err != nil {
				return
			}
			guests = append(guests, guest)
		}
	}
	take()
	if err := s.pair.exec(ctx, ours+` and pid % 3 = 0`); err != nil {
		return err
	}
	for end := time.Now().Add(hold); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		take()
	}
	return nil
}

// squat takes the leader's lock, which every role may do.
func squat(ctx context.Context, s *soak, hold time.Duration) error {
	conn, err := s.pair.connect(ctx, "app")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := s.pair.exec(ctx, ours+` and pid in (select l.pid from pg_catalog.pg_locks as l where l.locktype = 'advisory')`); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	var taken bool
	await(limit, func() bool {
		err = conn.QueryRow(ctx, `select pg_catalog.pg_try_advisory_lock(`+leaderLock+`)`).Scan(&taken)
		return taken || err != nil
	})
	pause(limit, hold) // a leader may have been faster: then there is nothing to squat
	return err
}

// serverFaults are those of the server itself.
func serverFaults() []fault {
	restart := func(sig syscall.Signal) func(context.Context, *soak, time.Duration) error {
		return func(ctx context.Context, s *soak, hold time.Duration) error {
			c := s.pair.primary()
			s.pair.crashed(func() { c.stop(sig) }) // a fast shutdown loses nothing
			pause(ctx, hold)
			return c.start(ctx)
		}
	}
	return []fault{
		{name: "PostgreSQL restarted (fast)", blind: true, inject: restart(syscall.SIGINT)},
		{name: "PostgreSQL restarted (immediate)", blind: true, inject: restart(syscall.SIGQUIT)},
		{name: "PostgreSQL killed", blind: true, inject: restart(syscall.SIGKILL)},
		{name: "backend killed", inject: func(ctx context.Context, s *soak, _ time.Duration) error {
			// PostgreSQL ends all sessions and recovers.
			var pid int
			conn, err := s.pair.connect(ctx, "app")
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			if err := conn.QueryRow(ctx, `select pg_catalog.pg_backend_pid()`).Scan(&pid); err != nil {
				return err
			}
			s.pair.crashed(func() {
				if err = syscall.Kill(pid, syscall.SIGKILL); err == nil {
					err = s.pair.persist(ctx, `select`)
				}
			})
			return err
		}},
		{name: "PostgreSQL frozen", blind: true, inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			c := s.pair.primary()
			c.signalAll(syscall.SIGSTOP)
			pause(ctx, hold)
			c.signalAll(syscall.SIGCONT)
			return nil
		}},
		{name: "synchronous standby away", inject: func(ctx context.Context, s *soak, hold time.Duration) error {
			c := s.pair.standby()
			err := s.pair.holdCommits(ctx)
			c.signalAll(syscall.SIGSTOP)
			pause(ctx, hold)
			c.signalAll(syscall.SIGCONT)
			return errors.Join(err, s.pair.releaseCommits(ctx))
		}},
		{name: "synchronous standby promoted", inject: func(ctx context.Context, s *soak, _ time.Duration) error {
			if err := s.pair.switchOver(ctx); err != nil {
				return err
			}
			return s.pool.follow()
		}, after: func(ctx context.Context, s *soak) error { return s.pair.makeStandby(ctx) }},
	}
}

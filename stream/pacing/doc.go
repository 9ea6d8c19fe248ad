// Package pacing states the latency budget of a server: how long each stage may keep an event, from
// the writer's commit until the browser calls onmessage. It holds every tuned constant of that path,
// the [Pacer] of fan-out passes, and the [Schedule] by which the stages wait for the same moment. It
// imports nothing else of this module; stream, db and api import it.
//
// # Stages
//
//	   commit            wake-up             read               fan-out pass          onmessage
//	     │                  │                  │                     │                    │
//	     ├── NOTIFY or poll ┼─ reader waits ───┼── encode, append ───┼── one send a client┤
//	     │                  │  for the pass    │   pass waits        │                    │
//	      PollInterval       ReadAhead          Pacer                 MaxWrite
//
//	stage              at low rates       under load                   limit
//	commit → wake-up   at once (NOTIFY)   next poll: 1 to 6 ms         24 ms while this server gathers (GatherPolls)
//	wake-up → read     at once            with the pass                MaxGather - ReadAhead
//	read, append       0.3 ms             0.3 ms                       AnswerTimeout, then /readyz fails
//	append → pass      at once            with the pass                MaxGather
//	pass → onmessage   one send           1,000 clients: 5 to 11 ms    the kernel's: 65 ms with 10,000 clients
//
// The stages do not add up: while the pacer holds a pass back, the leader's poll and the feed's read
// wait for the same pass, and end just before it. So the pacing delays an event by MaxGather at most,
// and not at all while passes are cheap or rare. On the machine of docs/benchmarks.md, the p50 from
// commit to client is 1.7 ms at 50 writes a second, and 30 ms at 120,000 deliveries a second.
//
// The budget does not cover a lost wake-up (FallbackInterval), the batch window of a client (?batch=),
// a client that does not read (the write timeout), and a resume from the log.
//
// # Constants
//
// "bench X" is a benchmark of docs/benchmarks.md; "decision" is a reason in docs/decisions.md.
//
//	constant            value     what for                                       chosen because of
//	MinPollInterval     1 ms      leader: time between polls, few writers        bench writers, 1 client: 0.86 → 0.93 × log
//	MaxPollInterval     6 ms      leader: the same, many writers                 bench writers, 64: 0.93 → 0.94 × log
//	PollInterval        3.5 ms/k  leader: growth per 1,000 transactions/s        bench writers, as above
//	PollWindow          200 ms    leader: the time over which it measures        holds 8 polls at the longest interval
//	QuietFinds          10        leader: with fewer finds a window it may stop  decision: below 50 commits/s
//	QuietShare          1/3       leader: and if fewer of its polls find any     decision: as above, long intervals
//	PollAhead           2 ms      leader: polls this long before a pass          bench latency: a poll and a read end in it
//	GatherPolls         4         leader: × MaxPollInterval while it gathers     bound for the other servers' events
//	MaxDrainInterval    250 ms    leader: longest time between polls, draining   bound for 2 % of the time spent draining
//	LockAttempts        20        leader: tries for a lock that writers share    each writer holds it for an instant
//	SessionTimeout      2 s       leader: PostgreSQL ends it if it is silent     decision: a frozen leader
//	BusyNotifications   20        leader: a term begins at this many             decision: from 100 a second on
//	BusyWindow          200 ms    leader: notifications within this time         decision: as above
//	FallbackInterval    1 s       feed: reads without a wake-up                  bound for a lost wake-up
//	ReadAhead           1 ms      feed: reads this long before a pass            bench latency: a read ends in it
//	AnswerTimeout       3 s       feed: unready once the log is silent           TestOutages: black hole noticed after 3 s
//	FlushBytes          1 MiB     feed: appends parts of a long read             bound of what a read keeps for itself
//	MaxHold             45 ms     pacer: longest hold, few events a client       20 passes a second are never held
//	MaxGather           52 ms     pacer: longest hold, several events a client   bench fanout: 4 × nchan at 120,000/s
//	gatheredEvents      3         pacer: MaxGather applies from this many on     bench fanout, as above
//	costUnit            0.2 ms    pacer: hold = cost² / costUnit                 decision: passes are paced by cost
//	maxCredit           135 ms    pacer: bursts after quiet are not held         decision: as above
//	minHold             1 ms      pacer: shorter holds are not made              the precision of Go's timers
//	MaxWrite            256 KiB   shard: bytes of one write to a client          bound of what a cohort keeps in memory
//	SweepInterval       ≤ 1 s     shard: heartbeats, timeouts and leases         a 30th of the shortest period
//	DrainSweepInterval  20 ms     shard: the same during a drain                 TestRollingRestart: most in one second
package pacing

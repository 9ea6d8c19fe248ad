// Package notify sends and receives wake-ups: notifications that say "read the log". It ensures that a
// wake-up follows every commit of an event, and that wake-ups cost the writers little.
//
// # Overview
//
// Three parties take part:
//
//   - A writer is a transaction that writes to a watched table. A trigger appends its events to
//     pgherald.events and, while a server listens and none leads, sends a NOTIFY.
//   - The [Listener] of each server LISTENs and wakes the server's reader, which then reads the log.
//   - The [Leader] of at most one server at a time sends the wake-ups for all writers, while they commit
//     often.
//
// The log is the truth; a wake-up carries no event. A superfluous wake-up costs one read. A missing one delays
// its events until the next wake-up or the next periodic read of the feed, which takes place once a second and
// counts the events that it finds as unannounced.
//
// # Why NOTIFY is expensive
//
// A transaction that has called NOTIFY takes a lock at COMMIT that exists once in the cluster, and holds it
// across the flush of the WAL, so that the queue has the order of the commits. Commits with NOTIFY
// therefore run one at a time and cannot share a flush. Under load this costs the writers more than half of
// their throughput (docs/benchmarks.md has the figures).
//
// A leader avoids it: it polls the log every few milliseconds, and one NOTIFY announces all transactions that
// have committed since its last poll. At low rates the lock costs nothing, and a writer's own NOTIFY arrives
// sooner than a poll; no server leads then.
//
// # States
//
// A Leader is in one of three states:
//
//	                many notifications:
//	           lock acquired (A), first poll
//	┌──────┐ ───────────────────────────────► ┌─────────┐
//	│ idle │                                  │ leading │ polls with the lock
//	│      │ ◄───────── session lost ──────── └─────────┘
//	│      │                          quiet, or │     ▲ many notifications:
//	│      │                          shutdown: │     │ lock acquired
//	│      │                      lock released │     │ again
//	│      │                                (R) ▼     │
//	│      │                                  ┌──────────┐
//	│      │ ◄───────── session lost ──────── │ draining │ polls without the lock
//	└──────┘ ◄─────────────────────────────── └──────────┘
//	          earlier transactions have ended,
//	         or shutdown: successor requested
//
// A and R name moments in the proof below. Package stream/pacing holds all times and thresholds.
//
//   - idle: writers send their own notifications. When the listener receives many of them within a
//     short time, or the request of a leader that stops, the Leader opens a session and campaigns: it tries
//     to acquire the advisory lock [LeaderLock] exclusively. If another session holds the lock, it stays idle.
//   - leading: it holds the lock and polls. The time from A to R is a term. It resigns, that is, releases
//     the lock, when the writers were quiet for a while, or at shutdown.
//   - draining: the lock is free and new transactions notify again. It polls until every transaction has
//     ended that may have seen the lock held.
//
// There is no other election. PostgreSQL releases the lock with the session, so a leader that dies blocks
// no successor.
//
// # Protocol
//
// A writer's transaction T, in this order:
//
//  1. inserts its first event. From here on T has a transaction number (xid), and no snapshot shows T as ended
//     until it has.
//  2. checks the lock (C): it tries to acquire LeaderLock in shared mode, without waiting. If it succeeds,
//     it unlocks again and calls NOTIFY, unless no server listens: see "Without a server".
//  3. commits. At V its events become visible, and its notification, if any, is delivered after V.
//
// A transaction that writes several times checks once, at its first write, and notes this in a setting that
// PostgreSQL undoes together with the notification when a savepoint is rolled back. Its next write then checks
// again. So T either notifies, or it is silent because the lock was held at the check that counts, which is C.
// Only step 1 has to precede C for the proof, not all of T's events.
//
// A leader:
//
//  1. acquires the lock exclusively (A).
//  2. polls once and sends a NOTIFY whatever it finds.
//  3. polls until it resigns. Each poll is one statement with one snapshot: it looks for events of
//     transactions that the snapshot of the poll before did not show as ended. If it finds any, it sends a
//     NOTIFY for the other servers and wakes the reader of its own.
//  4. releases the lock (R).
//  5. takes a transaction number X.
//  6. polls until a snapshot shows that every transaction with a number below X has ended.
//
// # Why no event waits
//
// Claim: after V the reader of each server is woken, by T's own notification or by the first poll whose
// snapshot is taken after V.
//
// The leader's own reader may be woken one poll later than that: while most polls find events, the leader
// wakes it before each poll instead of after it. After the last such poll the leader wakes it once more.
//
// Only leaders acquire the lock exclusively, and writers that share it do not exclude each other. So the lock
// is held at C if and only if C lies within a term. T, with C and V, and a term, with A and R, interleave in
// one of four ways:
//
//   - C < V < A, or R < C: at C this term did not hold the lock, so it does not keep T from notifying.
//   - C < A < V: the same. The leader announces T as well, which causes one superfluous read.
//   - A < C < R and V < R: T is silent. Let P be the first poll with a snapshot after V; it takes place during
//     the term, or is the first poll of the drain. If P is the first poll of the term, it announces whatever
//     it finds. Otherwise the snapshot of the poll before P does not show T as ended and that of P does, so P
//     finds T's events and announces them.
//   - A < C < R < V: T is silent, and ends after the term. T had its number before C, hence before R, and X was
//     taken after R. PostgreSQL assigns numbers in increasing order, so T < X, and the drain polls at least
//     until a snapshot shows T as ended. The first such poll finds T's events and announces them.
//
// If C lies in no term, each term is one of the first two cases, and T notifies. If C lies in a term, it lies
// in no other, and that term's leader announces T by the third or fourth case.
//
// A drain can acquire the lock again, and another server can acquire it during a drain. Either begins a new
// term with R < A'. Its first poll announces all events that are visible by then. A transaction of the earlier
// term that is still running took its number before R, hence before R' and below X', so the new drain waits for it.
// A new term therefore takes over what the earlier drain has left. For this reason a server whose campaign
// fails has nothing left to drain.
//
// A reader that a poll has woken sees every transaction that the poll has seen: the reader takes its
// snapshot after the poll took its own, and a transaction that has ended stays ended.
//
// # Without a server
//
// Without a server no leader polls, and each commit would send a NOTIFY that no server receives. So the session of each
// listener shares a second advisory lock, [ListenerLock], from the moment L until it ends. A writer that finds no leader
// tries to acquire that lock exclusively, without waiting (D), and releases it at once. If it gets it, no server listens,
// and it sends nothing. If it does not get it, a server listens, or another writer looks at the same moment, or another
// program holds the lock: then it sends a NOTIFY, which at worst is superfluous.
//
// A listener, on each connection:
//
//  1. shares the lock (L).
//  2. listens on all channels, and wakes its reader.
//  3. takes a transaction number X.
//  4. looks in snapshots until one shows that every transaction with a number below X has ended. After the first
//     snapshot, and after each one that shows that some have ended, it wakes its reader. This is the listener's drain.
//
// Claim: a transaction T that was silent because it got the lock is read by the reader of each server whose listener
// connects later, after a wake-up, and not only by a periodic read. T had its number before D. D does not lie between L and
// the end of any listener's session, so D < L for the connection of a server that starts, or connects again, after D. X was
// taken after L. So T has a number below X, and the drain looks at least until a snapshot shows T as ended. The
// reader is woken after that snapshot was taken, and sees T. Servers that have a connection at D do not exist.
//
// A listener waits for the lock, and while it waits no writer gets it, so writers cannot keep it from starting. It
// waits for a second at most, or half of [ListenerOptions].ProbeTimeout if that is less: if another program holds the
// lock exclusively, it goes on without it. Writers cannot get the lock either then, and notify. When that program
// releases it, writers are silent, and their events wait for the periodic reads, until the session of the probes shares
// it, which it tries every ProbeInterval. A drain follows, since then L is the moment at which that session shared it.
// If that session ends before the listener has a connection that shares the lock itself, there is such a gap again,
// until the next try.
//
// Another program that LISTENs beside no server must share the lock as well, or it hears nothing.
//
// # Failure handling
//
// The claim assumes that the leader polls until its drain has ended. It can fail to do so for five reasons:
//
//   - Shutdown: the leader resigns and polls once more. If transactions are left to drain, its last
//     notification is marked as draining, which requests a successor. Each other server then campaigns, and
//     the winner's term takes over. If no other server runs, the events of those transactions wait for the
//     periodic read of the one that starts next.
//   - Session lost (terminated, or the network is cut off): the leader wakes its own reader, since a poll
//     may have found events and lost its answer. It opens another session, terminates the backend of the
//     lost one if that still holds the lock, and campaigns. It is its own successor.
//   - Process killed: the lock ends with the session, and writers notify again. Transactions that were
//     silent during the last moments of the term wait for the next wake-up or the periodic read.
//   - Process or backend frozen: the lock stays held, and all writers are silent. Their events wait for the
//     periodic reads, at most a second each. PostgreSQL ends the session of a process that sends nothing
//     for [LeaderOptions].SessionTimeout (from version 14 on; version 13 does so only if the network is
//     gone). A frozen backend keeps the lock until it continues or is killed.
//   - Lock held by another program: every role may acquire an advisory lock. A session that holds this one
//     without polling has the effect of a frozen leader: events are found by the periodic reads. Each server
//     looks for such a session every few seconds ([Leader.WatchLock]) and reports it.
//
// While a leader can open no session, since its role or the server is at the limit of connections, no lock is held, and
// writers notify. It tries again after a pause that doubles from 100 ms up to ten seconds, with jitter, however many
// notifications arrive meanwhile.
//
// # What a listener promises
//
//   - It shares [ListenerLock] from before it listens until its connection ends, so that writers notify.
//   - It wakes its reader after each new connection, once it listens on all channels. The read after that
//     wake-up finds every event that was announced while there was no connection.
//   - It wakes its reader for each notification, except for those of the same server's leader, which has
//     woken the reader already. Wake-ups that the reader has not received yet merge into one.
//   - It never blocks on its reader. A listener that does not read its socket would keep PostgreSQL from
//     truncating the notification queue, and a full queue makes commits fail.
//   - It reports itself live only while probes come back. A probe is a notification that the listener sends
//     to itself, on a channel of its own: after connecting, and whenever nothing has arrived for
//     [ListenerOptions].ProbeInterval. A dead connection and a transaction-mode pooler are found this way;
//     neither reports an error.
//   - It reconnects after each loss, for as long as it runs, with a backoff that doubles from 100 ms up to
//     [ListenerOptions].MaxBackoff, with jitter. Only the first connection is different: if that fails,
//     [OpenListener] returns the error.
//   - It refuses a server that is too old or in recovery, on each connection.
package notify

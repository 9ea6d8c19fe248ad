// Package stream is the middle of pgherald: the events, the cursor that says what a client has
// seen, and the feed that clients read. It knows neither Postgres nor HTTP, and imports nothing
// of pgherald.
//
//	Log.Read(cursor) ──► Feed (ring of encoded transactions) ──► Subscription.Due ──► a client
//	      ▲                                                             │
//	      └───────────── Subscription.CatchUp, when behind ◄────────────┘
//
// This page is the contract; other places point here.
//
// # Delivery
//
// A subscription is sent every committed event that its filter lets through and that its cursor
// has not seen, exactly once, as long as it lasts. Across reconnects the same holds for a client
// that resumes with the last id it was sent: id lines stand on the last event of a transaction
// only, so a connection that breaks in the middle of a transaction gets that one again from its
// beginning. Whoever must not act on an event twice forgets what came after the last id line, or
// compares the envelope's id.
//
// Rolled-back writes are never sent. An event is sent only after its transaction has committed.
//
// # Order
//
// The events of a transaction come together, in the order written, with nothing in between. The
// events of one row come in the order in which its writers committed. Transactions that have no
// row in common may come in another order than they committed in, and two clients may see them in
// different orders.
//
// # Selection
//
// An event with an audience is sent to those who have one of its tags as a grant, and to nobody
// else; without grants one hears what is for everyone. Filter decides that, together with what the
// client chose, for events from the feed and from the log alike. A Pass decides it once for all
// subscriptions whose choice is the same and whose grants make the same difference.
//
// A client may have what is due at once merged. Conflated, it is sent only the newest event of each
// type and key: none is left out unless a newer one follows, but transactions are no longer whole.
// Batched, it is sent as one event, which ends at a transaction's edge if it has an id line.
//
// # Cursor
//
// A cursor is a set of transactions, not a point in time: transactions do not commit in the order
// in which they begin, so no number can say what was delivered. Any server of the same database
// honours it. A cursor that cannot be honoured (of another log or timeline, older than the log,
// from the future, or no cursor at all) is answered with a reset and its reason, never with a
// silent gap: the client fetches its data anew.
//
// # Slow subscriptions
//
// A subscription has no queue: it is a position in the feed. One that is slow costs nothing and
// holds nobody back. When the feed has moved on without it, it reads the log from its own
// cursor, a page at a time and few subscriptions at once, until the feed will do again.
//
// # Memory
//
// The feed holds as many transactions as fit in its bytes. A transaction that is larger stays in
// the log, and each subscription reads it from there. What an entry is counted as is what the runtime
// allocates for it, within a tenth.
//
// # Shutdown
//
// Follow returns when its context ends; nothing here starts a goroutine.
package stream

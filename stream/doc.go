// Package stream delivers the events of a log to clients. A [Cursor] says what a client has seen. A
// [Feed] holds the newest part of the log in memory. A [Subscription] reads the feed for one client.
// The package knows neither PostgreSQL nor HTTP; of this module it imports its own sub-packages only.
//
//	Log.Read(cursor) ──► Feed (ring buffer of encoded transactions) ──► Subscription.Pending ──► client
//	      ▲                                                                   │
//	      └──────────────── Subscription.CatchUp, when behind ◄───────────────┘
//
// This page is the contract. Other documents refer to it.
//
// # Delivery
//
// A subscription delivers every committed event that its filter matches and its cursor has not
// seen, exactly once, for as long as it lasts. The same holds across reconnects for a client that
// resumes with the last id line it received. Only the last event of a transaction has an id line,
// so a connection that breaks within a transaction receives that transaction again from its first
// event. A client that must not process an event twice discards what it received after the last id
// line, or compares the id in the envelope.
//
// A rolled-back write is never delivered. An event is delivered after its transaction has committed.
//
// # Order
//
// The events of a transaction are delivered together, in the order in which they were written, with
// no other event between them. The events of one row are delivered in the order in which their
// writers committed. Transactions that share no row may be delivered in another order than the one
// in which they committed, and two clients may receive them in different orders.
//
// # Filters and audiences
//
// A public event has no audience: every client may receive it. Any other event has an audience, a
// set of tags, and only clients with one of the tags among their grants may receive it. [Filter]
// decides this together with the types, keys and field conditions that the client selected. It
// decides the same for events from the feed and for events from the log. A [FanOutPass] decides it
// once for each cohort: the subscriptions at the same position with the same filter and the same
// effective grants.
//
// A client may select rows of collections instead, one selection or several. Then an event counts by the row before and
// after it: the client receives what brings a row into the selection, changes it there, or takes it out, and of the last
// nothing but the key. The audience before and after the event counts in the same way. The client's rows are
// then those of the table that the filter selects and the audience permits, at every cursor.
//
// A client may have its pending events merged. If it conflates, it receives only the newest pending
// event of each type and key or, of a collection, of each row and selection: an event is left out only if a newer one
// follows, and transactions are no longer whole. If it batches, it receives its pending events as one event; a batch that has an id
// line ends with the last event of a transaction.
//
// # Cursor
//
// A [Cursor] is a set of transactions, not a point in time: transactions do not commit in the order
// in which they begin, so no number says which of them were delivered. Every server of the same
// database honours it, also after PostgreSQL has recovered from a crash or failed over, if it can prove that
// nothing the client received is lost ([Lineage] has the rule). A server that cannot honour a cursor (it belongs
// to another log, a recovery may have lost some of it, it is older than the log, lies in the future, or is malformed) answers with a reset and the reason,
// never with a silent gap: the client then fetches its data again.
//
// # Slow subscriptions
//
// A subscription has no queue: it is a position in the feed. So a slow one takes no memory and delays
// no other. When the feed has evicted entries that a subscription still needs, the subscription reads
// the log from its own cursor, page by page, until the feed covers it again. Subscriptions that need the
// same part of the log share a replay of it. FeedOptions.CatchUpQueries limits how many replays query the
// log at the same time, and FeedOptions.CatchUpBytes what all of them hold: a subscription that needs
// more waits, and a client that takes too long meanwhile is interrupted.
//
// # States of a subscription
//
//	Subscribe: no cursor,         ┌──────┐   Pending returns ErrBehind    ┌─────────────┐  Subscribe: the feed
//	or the feed covers it ──────► │      │ ─────────────────────────────► │             │  does not cover
//	                              │ live │                                │ catching up │ ◄──── the cursor
//	SubscribeReset ─────────────► │      │ ◄───────────────────────────── │             │
//	                              └──────┘      CatchUp returns nil       └─────────────┘
//	                                ▲  ▲                                         │
//	Pending returns a *ResetError:  │  │  CatchUp returns a *ResetError: the log │
//	the feed was rebuilt ───────────┘  └──── no longer reaches back ◄────────────┘
//
// Pending returns ErrBehind when the next entry was evicted, or when it is too large for the feed and
// only the log holds it. CatchUp returns nil when the feed covers the cursor. When one of them
// returns a *ResetError, the subscription is at the head of the feed: the caller sends the client a
// reset and continues.
//
// # Invariants
//
//   - The cursors of the feed grow. Each read starts from the head, and Deliver only adds to a cursor.
//     So the cursor of each entry covers that of the entry before, and a binary search finds the
//     position of a cursor.
//   - A subscription's cursor is base ∪ passed, where passed is the feed's cursor at its position, and
//     base is the cursor with which it joined the feed. The feed's cursor before an entry does not
//     contain that entry's transaction. So the subscription delivers each transaction exactly once if
//     it skips exactly the entries that base contains. Once passed covers base, base is dropped.
//   - Of the frames that are sent for a transaction, only the last has an id line. So a client that has
//     received an id has received every event that its filter matches of every transaction in that
//     cursor.
//   - A position is the number of entries that the feed appended before it, counted across rebuilds,
//     so no position is used twice. An entry was evicted if and only if its position is below that of
//     the oldest entry.
//
// # Recoveries
//
// A recovery of the database cuts the log off, and begins a new epoch. The read that meets the new epoch makes the feed
// follow: it looks up the newest transactions, drops those that are lost, and goes on in the new epoch with the rest. A
// subscription that has received something that is lost gets a *ResetError. The others notice nothing: their cursors are
// carried over at their next call.
//
// # Memory
//
// The feed holds as many transactions as fit in FeedOptions.Bytes. A transaction that alone is larger
// stays in the log, and the subscriptions read it from there, in a replay. The feed estimates the memory that the
// runtime allocates for an entry to within 10 %.
//
// A client that is stuck in a large frame keeps it in memory after the feed has evicted it. A [Pin] counts such
// frames, and charges them to FeedOptions.CatchUpBytes. Beyond half of it, the clients that pin the oldest must
// give them up.
//
// # Concurrency
//
// Nothing here starts a goroutine. [Feed.Run] returns when its context ends. A Feed may be used by
// many goroutines, a Subscription and a FanOutPass by one at a time.
package stream

// Package db is pgherald's side of PostgreSQL: it reads the event log, listens for the doorbell
// that announces new events, and prunes what is old.
//
// The log (pgherald.events) is the truth; a notification only says that reading is worth while.
// Log reads what a cursor has not seen, Listener turns notifications into wake-ups, Waker sends them
// for the writers while those are many, Pruner keeps the log small.
//
// # Promises
//
//   - Log.Read yields every committed event that the cursor has not seen, once, with the events
//     of a transaction together and those of a row in the order of their commits, or an error
//     that says why the cursor cannot be honoured. It never yields a part of what is there.
//   - The Listener wakes its reader after each connection it makes, so that what was written
//     while it was deaf is read, and says that it is live only while a notification that it
//     sends to itself comes back.
//   - Whether writers ring or a waker does, an event that nobody has announced is found by the next
//     poll; only if a waker is killed or frozen it waits for the feed's read, at most a second.
//   - Nothing here holds a snapshot, a lock or the notification queue while a client is slow.
package db

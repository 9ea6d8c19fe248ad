package triggers

import "time"

// Exported for the tests against a database.

// LockWait sets the wait of the first attempt for its table locks.
func LockWait(limit time.Duration) Option { return func(o *options) { o.lockWait = limit } }

// ListenerLock is the key of the lock that listeners share.
const ListenerLock = listenerLock

func QuoteIdent(name string) string   { return quoteIdent(name) }
func QuoteLiteral(text string) string { return quoteLiteral(text) }

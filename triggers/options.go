package triggers

import "time"

// An Option configures Apply and Drop.
type Option func(*options)

type options struct {
	lockTimeout time.Duration
	waiting     func(*BusyError)
	partial     bool
	prune       bool
	force       bool
}

// defaultLockTimeout is long enough for most transactions to end.
const defaultLockTimeout = 30 * time.Second

// LockTimeout bounds how long Apply and Drop try to lock the tables, in total. The default is 30 s. It does
// not affect others: no writer or reader waits longer for them than an attempt takes.
func LockTimeout(limit time.Duration) Option {
	return func(o *options) { o.lockTimeout = limit }
}

// OnWait calls report after each attempt to lock the tables that failed, before the next one.
func OnWait(report func(*BusyError)) Option {
	return func(o *options) { o.waiting = report }
}

// Partial lets Apply change the tables that can be watched although others cannot: these keep what they have, and
// Check says what is wrong with them. Without it, a mistake in one table is an error, and nothing changes. It is an
// error all the same if no table can be watched and nothing of the spec is installed.
func Partial() Option {
	return func(o *options) { o.partial = true }
}

// Prune lets Apply remove the triggers of all other specs.
func Prune() Option {
	return func(o *options) { o.prune = true }
}

// Force lets Apply install a spec that is older than the installed one.
func Force() Option {
	return func(o *options) { o.force = true }
}

func newOptions(opts []Option) options {
	o := options{lockTimeout: defaultLockTimeout, waiting: func(*BusyError) {}}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

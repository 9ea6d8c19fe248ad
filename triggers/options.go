package triggers

import "time"

// An Option configures Apply and Drop.
type Option func(*options)

type options struct {
	lockTimeout time.Duration
	lockWait    time.Duration // the constant, except in tests
	waiting     func(*BusyError)
	partial     bool
	prune       bool
	force       bool
	notes       func([]Note)
	mend        []string
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

// Notes makes *to what the spec does not say itself, such as the tables that its patterns leave out.
func Notes(to *[]Note) Option {
	return func(o *options) { o.notes = func(notes []Note) { *to = notes } }
}

// Mend lets Grow replace the functions of tables, named as in a collection_reset, whose columns they use have been dropped
// or renamed: the events of every write are missing meanwhile.
func Mend(tables []string) Option {
	return func(o *options) { o.mend = tables }
}

func newOptions(opts []Option) options {
	o := options{lockTimeout: defaultLockTimeout, lockWait: lockWait, waiting: func(*BusyError) {}, notes: func([]Note) {}}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

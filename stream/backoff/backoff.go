// Package backoff paces the loops of a server that try again until they succeed: reads of the log, the connections of
// the listener and the notify leader, presence, revocations, and whatever else repeats a failed operation.
//
// # Promises
//
//   - However often a loop is woken, its attempts during an outage are as far apart as the back-off says: the n-th
//     pause is Min·2ⁿ, at most Max, with jitter down to the half of it, so that servers do not try at the same time.
//   - An outage costs one line of the log at its beginning, one a minute while it lasts, and one at its end.
//
// A loop with a fixed interval of five seconds or more needs no back-off; it may use a Retry for its lines.
package backoff

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// reminder is the time between two lines about the same outage.
const reminder = time.Minute

// Options configure a Retry. Min and Max are required.
type Options struct {
	// Min is the first pause, and Max bounds all pauses.
	Min, Max time.Duration
	// Failing is the line of the log for a failure, such as "presence not written, retrying", and Recovered that for
	// the end of the outage. Without a Logger or a text there is no such line.
	Failing, Recovered string
	Logger             *slog.Logger
	// Level is that of the line Failing; slog.LevelInfo if unset, so set it.
	Level slog.Level
}

// Retry is the state of one loop: whether its operation fails, since when, and when to try again. It is safe for
// concurrent use.
type Retry struct {
	opts Options

	mu       sync.Mutex // guards the fields below
	attempts int        // that failed in a row
	total    uint64     // attempts that failed
	since    time.Time  // of the first of them in a row
	loggedAt time.Time
	until    time.Time // of the pause
}

// New returns a Retry without a failure.
func New(opts Options) *Retry { return &Retry{opts: opts} }

// Failed records a failure, and returns the pause before the next attempt.
func (r *Retry) Failed(err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.attempts == 0 {
		r.since = now
	}
	pause := Pause(r.opts.Min, r.opts.Max, r.attempts)
	r.attempts++
	r.total++
	r.until = now.Add(pause)
	switch {
	case r.opts.Failing == "":
	case r.attempts == 1:
		r.loggedAt = now
		r.log(r.opts.Level, r.opts.Failing, "error", err)
	case now.Sub(r.loggedAt) >= reminder:
		r.loggedAt = now
		r.log(r.opts.Level, r.opts.Failing, "error", err, "attempts", r.attempts, "lasted_ms", now.Sub(r.since).Milliseconds())
	}
	return pause
}

// Succeeded records a success: the next failure begins another outage.
func (r *Retry) Succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempts == 0 {
		return
	}
	if r.opts.Recovered != "" {
		r.log(slog.LevelInfo, r.opts.Recovered, "attempts", r.attempts, "lasted_ms", time.Since(r.since).Milliseconds())
	}
	r.attempts, r.until = 0, time.Time{}
}

// Done calls Failed or Succeeded.
func (r *Retry) Done(err error) {
	if err != nil {
		r.Failed(err)
	} else {
		r.Succeeded()
	}
}

func (r *Retry) log(level slog.Level, text string, args ...any) {
	if r.opts.Logger != nil {
		r.opts.Logger.Log(context.Background(), level, text, args...) //nolint:sloglint // each loop gives two constants
	}
}

// Remaining returns the rest of the pause: 0 if an attempt may begin.
func (r *Retry) Remaining() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, time.Until(r.until))
}

// Wait waits for the rest of the pause. It returns an error if ctx ends first.
func (r *Retry) Wait(ctx context.Context) error { return Sleep(ctx, r.Remaining()) }

// Failures returns how many attempts have failed, and since when all do; the zero time if the last one succeeded.
func (r *Retry) Failures() (total uint64, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempts > 0 {
		since = r.since
	}
	return r.total, since
}

// Pause returns the pause after a number of attempts that failed in a row before.
func Pause(least, most time.Duration, before int) time.Duration {
	pause := least
	for range min(before, 62) {
		if pause >= most {
			break
		}
		pause *= 2
	}
	pause = min(pause, most)
	return pause/2 + rand.N(pause/2+1)
}

// Sleep waits for d. It returns the error of ctx if that ends first.
func Sleep(ctx context.Context, d time.Duration) error { return SleepUntil(ctx, d, nil) }

// SleepUntil waits for d, or until early has a value or is closed. It returns the error of ctx if that ends first.
func SleepUntil(ctx context.Context, d time.Duration, early <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-early:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

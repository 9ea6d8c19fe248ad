package forward

import (
	"context"
	"time"
)

// maxBatchBytes is the size of a body after which a batch takes no further event.
const maxBatchBytes = 1 << 20

// job holds what a worker does at once.
type job struct {
	lanes    []*lane
	items    []*item // those of a lane are next to each other
	isDue    bool    // the parked events of the lane are to be sent again; there are no items
	isParked bool    // the lane may have parked events
}

// take waits for a job. The worker must call finish.
func (l *lanes) take(ctx context.Context) (job, error) {
	for {
		if err := ctx.Err(); err != nil {
			return job{}, err
		}
		j, wait, changed := l.tryTake()
		if j.lanes != nil {
			return j, nil
		}
		var timeout <-chan time.Time
		var timer *time.Timer
		if wait > 0 {
			timer = time.NewTimer(wait)
			timeout = timer.C
		}
		select {
		case <-changed:
		case <-timeout:
		case <-ctx.Done():
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// tryTake returns a job, or how long to wait for the end of a pause; 0 without one.
func (l *lanes) tryTake() (j job, wait time.Duration, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if until := later(l.until, l.quiet); l.isDown() && l.busy > 0 || until.After(now) {
		return j, max(0, until.Sub(now)), l.changed
	}
	for len(l.paused) > 0 && !l.paused[0].until.After(now) {
		of := l.paused[0]
		l.paused, of.isPaused = l.paused[1:], false
		l.offer(of)
	}
	if len(l.ready) > 0 {
		l.busy++
		return l.next(), 0, nil
	}
	if len(l.paused) > 0 {
		wait = l.paused[0].until.Sub(now)
	}
	return j, wait, l.changed
}

// next takes the first ready lane, and further ones for a batch. The caller must hold mu.
func (l *lanes) next() (j job) {
	bytes := 0
	for len(l.ready) > 0 {
		of := l.ready[0]
		isSpecial := of.isDue || of.isParked || of.alone > 0
		if j.lanes != nil && (isSpecial || of.queue[0].Loads || len(j.items) >= l.batch || bytes >= maxBatchBytes) {
			break
		}
		l.ready = l.ready[1:]
		of.isReady, of.isBusy = false, true
		j.lanes = append(j.lanes, of)
		if j.isDue, j.isParked = of.isDue, of.isParked; j.isDue {
			return j
		}
		for _, i := range of.queue {
			j.items = append(j.items, i)
			bytes += len(i.Envelope)
			if isSpecial || i.Loads || len(j.items) >= l.batch || bytes >= maxBatchBytes {
				break
			}
		}
		if isSpecial || j.items[len(j.items)-1].Loads {
			break
		}
	}
	return j
}

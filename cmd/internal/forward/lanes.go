package forward

import (
	"slices"
	"sync"
	"time"

	"github.com/pgherald/pgherald/stream/backoff"
)

// The pauses between attempts.
const (
	minPause = 500 * time.Millisecond // of a lane; doubled at each attempt
	maxPause = time.Minute

	minDown = 200 * time.Millisecond // of all lanes while the receiver is down
	maxDown = 10 * time.Second
)

// lane holds the events of one row that are not acknowledged, in order.
type lane struct {
	name     string
	queue    []*item
	isBusy   bool      // a worker has it
	isReady  bool      // it is in lanes.ready
	isPaused bool      // it is in lanes.paused
	until    time.Time // of its pause; zero without one
	alone    int       // events that are sent alone, since a batch with them failed
	isParked bool      // it may have parked events
	isDue    bool      // its parked events are to be sent again
	replays  tries     // of its first parked event
}

// lanes gives workers the lanes that have something to send.
type lanes struct {
	batch    int
	parallel int

	mu      sync.Mutex
	byName  map[string]*lane
	ready   []*lane
	paused  []*lane // by until
	changed chan struct{}
	busy    int // jobs at workers

	isHeld       bool      // the reader waits for acknowledgements
	acknowledged uint64    // requests
	failures     int       // in a row, of all lanes
	failingSince time.Time // of the first of them
	failure      string    // the last
	until        time.Time // of the pause of all lanes
	quiet        time.Time // until then the receiver wants no request
}

func newLanes(batch, parallel int, parked map[string]bool) *lanes {
	l := &lanes{batch: batch, parallel: parallel, byName: map[string]*lane{}, changed: make(chan struct{})}
	for name, isDue := range parked {
		l.lane(name).isParked = true
		if isDue {
			l.replay(name)
		}
	}
	return l
}

// lane returns the lane of that name. The caller must hold mu, or be alone.
func (l *lanes) lane(name string) *lane {
	if l.byName[name] == nil {
		l.byName[name] = &lane{name: name}
	}
	return l.byName[name]
}

// add adds an event.
func (l *lanes) add(i *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.lane(i.lane)
	of.queue = append(of.queue, i)
	l.offer(of)
}

// replay sends the parked events of a lane again.
func (l *lanes) replay(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.lane(name)
	if !of.isDue {
		of.isParked, of.isDue, of.replays, of.until = true, true, tries{}, time.Time{}
	}
	l.offer(of)
}

// offer makes a lane ready, or removes it if it has nothing. The caller must hold mu.
func (l *lanes) offer(of *lane) {
	switch {
	case of.isBusy || of.isReady:
	case len(of.queue) == 0 && !of.isDue:
		if !of.isParked {
			delete(l.byName, of.name)
		}
	case of.until.After(time.Now()):
		if !of.isPaused {
			at, _ := slices.BinarySearchFunc(l.paused, of, func(a, b *lane) int { return a.until.Compare(b.until) })
			l.paused, of.isPaused = slices.Insert(l.paused, at, of), true
		}
	default:
		if of.isPaused { // its pause has just ended
			l.paused = slices.DeleteFunc(l.paused, func(p *lane) bool { return p == of })
		}
		of.isPaused, of.isReady = false, true
		l.ready = append(l.ready, of)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// isDown reports whether the receiver acknowledges nothing: then one request at a time looks whether it is back. The caller must hold mu.
func (l *lanes) isDown() bool { return l.failures >= max(3, l.parallel) }

// finish gives the lanes of a job back, without the events that are done. They pause if that is above 0.
func (l *lanes) finish(j job, done bool, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	for _, of := range j.lanes {
		n := 0
		for n < len(of.queue) && slices.Contains(j.items, of.queue[n]) {
			n++
		}
		switch {
		case done:
			clear(of.queue[:n])
			of.queue = of.queue[n:]
			of.alone = max(0, of.alone-n)
		case len(j.items) > 1:
			of.alone = n
		}
		of.isBusy, of.until = false, time.Time{}
		if pause > 0 {
			of.until = time.Now().Add(pause)
		}
		l.offer(of)
	}
}

// succeeded notes that the receiver has acknowledged something. If it was down, the pauses of all lanes end.
func (l *lanes) succeeded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged++
	if l.isDown() {
		paused := l.paused
		l.paused = nil
		for _, of := range paused {
			of.until, of.isPaused = time.Time{}, false
			l.offer(of)
		}
	}
	l.failures, l.failingSince, l.failure, l.until = 0, time.Time{}, "", time.Time{}
}

// failed notes a failure. An answer about an event shows that the receiver is there.
func (l *lanes) failed(f *failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.failure = f.text
	if l.failingSince.IsZero() {
		l.failingSince = now
	}
	if f.retryAfter > 0 {
		l.quiet = later(l.quiet, now.Add(f.retryAfter))
	}
	if f.isAboutEvent {
		l.failures = 0
	} else if l.failures++; l.isDown() && f.retryAfter == 0 {
		l.until = later(l.until, now.Add(backoff.Pause(minDown, maxDown, l.failures-max(3, l.parallel))))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// setParked notes whether a lane may have parked events.
func (l *lanes) setParked(of *lane, isParked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of.isParked = isParked
}

// endReplay notes that a lane has no parked event that is due.
func (l *lanes) endReplay(of *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of.isDue = false
}

// outage returns since when nothing was acknowledged, and the last failure; zero if the last request was.
func (l *lanes) outage() (since time.Time, failure string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failingSince, l.failure
}

package forward

// tries counts what was tried with an event.
type tries struct {
	attempts int    // that failed
	counted  int    // those of them that count towards parking
	first    uint64 // acknowledgements of the receiver at the first failure
	since    uint64 // at the last
}

// hasEvidence reports whether the receiver has acknowledged others after it failed to acknowledge the event, and failed again.
func (t *tries) hasEvidence() bool { return t.attempts > 1 && t.since > t.first }

// count notes a failure of an event, and returns whether it counts max times. It counts if the receiver has refused the content, or has
// acknowledged others since the last failure, or can acknowledge no others because all that is left are such events. So an outage counts
// for nothing, and least of all one that the sink knows as such.
func (l *lanes) count(t *tries, f *failure, max int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.attempts == 0 {
		t.first = l.acknowledged
	}
	if f.isOutage { // what others are acknowledged before and after it says nothing about the event
		t.attempts++
		t.first, t.since = l.acknowledged, l.acknowledged
		return false
	}
	isCounted := f.isAboutEvent || t.attempts > 0 && l.acknowledged > t.since
	t.attempts++
	t.since = l.acknowledged
	if isCounted || l.isStuck() {
		t.counted++
	}
	return t.counted >= max
}

// isStuck reports whether everything waits for events that the receiver has not acknowledged while it acknowledged others. The caller must
// hold mu.
func (l *lanes) isStuck() bool {
	if !l.isHeld {
		return false
	}
	for _, of := range l.byName {
		switch {
		case of.isDue && !of.replays.hasEvidence():
			return false
		case !of.isDue && len(of.queue) > 0 && !of.queue[0].hasEvidence():
			return false
		}
	}
	return true
}

// hold notes whether the reader waits for acknowledgements: then no other events come.
func (l *lanes) hold(isHeld bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isHeld = isHeld
}

// endTry forgets the failures of a parked event: it is away, or not due any more.
func (l *lanes) endTry(of *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of.replays = tries{}
}

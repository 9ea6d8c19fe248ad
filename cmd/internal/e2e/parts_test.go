package e2e

import (
	"runtime"
	"sync"
	"testing"
)

// partPlaces holds a value for each part that runs. All tests share it, because each of the tests that run at a time would
// otherwise bring several servers, so it must be a global variable.
var partPlaces = make(chan struct{}, 3*runtime.GOMAXPROCS(0))

// smallParts is the number of parts of a test that run at a time if they need no server of their own.
const smallParts = 3

// parts runs parts of a test at the same time, in the place of one test. Parts that called t.Parallel would begin when all other
// tests have begun, so the longest tests would run last, and alone.
type parts struct {
	t       *testing.T
	places  chan struct{}
	running sync.WaitGroup
}

func newParts(t *testing.T) *parts { return &parts{t: t, places: partPlaces} }

// newSmallParts returns parts that do not wait for those of other tests.
func newSmallParts(t *testing.T) *parts {
	return &parts{t: t, places: make(chan struct{}, smallParts)}
}

// run begins a part as soon as there is a place for it. A part must not have parts.
func (p *parts) run(name string, do func(*testing.T)) {
	p.places <- struct{}{}
	p.running.Go(func() {
		defer func() { <-p.places }()
		p.t.Run(name, do)
	})
}

// wait returns when all parts have ended. A test must call it before it ends.
func (p *parts) wait() { p.running.Wait() }

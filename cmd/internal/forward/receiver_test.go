package forward

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYq="

// delivery is an envelope, as receivers see it.
type delivery struct {
	ID         int64           `json:"id"`
	Type       string          `json:"type"`
	Data       json.RawMessage `json:"data"`
	Collection string          `json:"collection"`
	Op         string          `json:"op"`
	Key        string          `json:"key"`
	XID        string          `json:"xid"`
}

// receiver is a service. It applies what it acknowledges, and what it fails to acknowledge sometimes.
type receiver struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	isBad   func(delivery) int // see refuse
	faults  *rand.Rand         // nil without faults
	rows    map[string]string  // the last data of each key
	all     []delivery         // without repeats, in the order of their arrival
	seen    map[int64]bool     // their ids
	last    map[string]int64   // the id of the newest event of each key
	answers int
	changed chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, rows: map[string]string{}, seen: map[int64]bool{}, last: map[string]int64{}, changed: make(chan struct{})}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	r.url = server.URL + "/events"
	return r
}

// ServeHTTP receives a request.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender has been killed
	}
	key, _ := webhooks.NewWebhook(secret)
	if err := key.Verify(body, request.Header); err != nil {
		r.t.Errorf("signature: %v", err)
	}
	var events []delivery
	if body[0] == '[' {
		err = json.Unmarshal(body, &events)
	} else {
		events = make([]delivery, 1)
		err = json.Unmarshal(body, &events[0])
	}
	if err != nil {
		r.t.Errorf("body %q: %v", body, err)
		return
	}
	fault := r.fault()
	switch fault {
	case "status":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case "hang":
		<-request.Context().Done()
		return
	case "cut":
		panic(http.ErrAbortHandler)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers++
	close(r.changed)
	r.changed = make(chan struct{})
	if r.isBad != nil {
		for _, e := range events {
			if status := r.isBad(e); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
	}
	for _, e := range events {
		r.apply(e)
	}
	if fault == "lost" {
		panic(http.ErrAbortHandler)
	}
}

func (r *receiver) fault() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults == nil {
		return ""
	}
	switch n := r.faults.IntN(100); {
	case n < 5:
		return "status"
	case n < 6:
		return "hang"
	case n < 10:
		return "cut"
	case n < 15:
		return "lost"
	}
	return ""
}

// apply applies an event, unless it is a repeat: what was on its way from a process that was killed may come after newer events. The caller
// must hold mu.
func (r *receiver) apply(e delivery) {
	if r.seen[e.ID] {
		return
	}
	if e.ID < r.last[e.Key] {
		r.t.Errorf("event %d of %q comes after %d", e.ID, e.Key, r.last[e.Key])
	}
	r.seen[e.ID], r.last[e.Key] = true, e.ID
	r.all = append(r.all, e)
	if e.Op == "delete" {
		delete(r.rows, e.Key)
		return
	}
	r.rows[e.Key] = string(e.Data)
}

// await waits until a condition holds, which it calls with mu held.
func (r *receiver) await(what string, holds func() bool) {
	r.t.Helper()
	limit := time.NewTimer(5 * time.Minute) // far longer than it takes
	defer limit.Stop()
	for {
		r.mu.Lock()
		ok, changed, n := holds(), r.changed, len(r.all)
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			r.t.Fatalf("%s: not after %d events", what, n)
		}
	}
}

// awaitRows waits until the receiver has these rows.
func (r *receiver) awaitRows(want map[string]string) {
	r.t.Helper()
	r.await("rows as in the database", func() bool { return maps.Equal(r.rows, want) })
}

// events returns what was received, without repeats.
func (r *receiver) events() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// refuse makes the receiver answer with the status that isBad returns for an event, unless that is 0. It returns the number of
// answers before.
func (r *receiver) refuse(isBad func(delivery) int) (answers int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isBad = isBad
	return r.answers
}

// checkStopped checks the error of a Run that was stopped. Its lease may have ended before, while this machine stood still.
func checkStopped(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) && !errors.Is(err, errLapsed) {
		t.Errorf("forward ended: %v", err)
	}
}

package stream

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestSizeIsTrue compares what entries are counted as with what the runtime has allocated for them.
func TestSizeIsTrue(t *testing.T) {
	for name, test := range map[string]struct {
		transactions, parts, events, payload int
		audience                             int
	}{
		"one event each":               {transactions: 20_000, parts: 1, events: 1, payload: 300},
		"small ones":                   {transactions: 20_000, parts: 1, events: 1, payload: 10},
		"with an audience":             {transactions: 10_000, parts: 1, events: 2, payload: 200, audience: 3},
		"a bulk statement":             {transactions: 1, parts: 100, events: 500, payload: 350},
		"a bulk of small payloads":     {transactions: 1, parts: 100, events: 500, payload: 20},
		"a few large ones":             {transactions: 10, parts: 1, events: 1, payload: 1 << 20},
		"transactions of twenty parts": {transactions: 50, parts: 20, events: 50, payload: 100},
	} {
		t.Run(name, func(t *testing.T) {
			before := heapInUse()
			r := newRingBuffer(1<<40, Cursor{})
			for x := range test.transactions {
				e := &entry{xid: uint64(x)}
				for range test.parts {
					e.add(&Transaction{Events: someEvents(test.events, test.payload, test.audience)})
				}
				e.complete(NewCursor("k3f9", uint64(x+1), nil))
				r.push(e)
			}
			took := heapInUse() - before
			if share := float64(r.size) / float64(took); share < 0.9 || share > 1.1 {
				t.Errorf("counted as %d bytes, allocated are %d: %.2f of it", r.size, took, share)
			}
			runtime.KeepAlive(r)
		})
	}
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what a pool held through the first one
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// someEvents are events as a reading yields them: nothing of one belongs to another.
func someEvents(n, payload, audience int) []Event {
	events := make([]Event, n)
	for i := range events {
		e := Event{
			ID: 1 << 40, Type: strings.Clone("activity_updated"), Key: fmt.Sprintf("1b4e28ba-2fa1-11d2-883f-%012d", i),
			Data: json.RawMessage(`"` + strings.Repeat("x", payload-2) + `"`), At: time.Now(),
		}
		for tag := range audience {
			e.Audience = append(e.Audience, fmt.Sprintf("role:number-%d", tag))
		}
		events[i] = e
	}
	return events
}

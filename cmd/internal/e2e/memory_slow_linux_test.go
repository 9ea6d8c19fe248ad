package e2e

import (
	"fmt"
	"testing"
)

// slowClients are clients that read nothing of large events. Each must cost the server little more than its socket,
// whether it is stuck in the feed or in a catch-up, and whether its events are merged or not.
type slowClients struct {
	query     string
	feedBytes int
	stagger   bool // each connects after another event, so that each is stuck in another one
}

func TestMemoryOfSlowClients(t *testing.T) {
	binary := buildProgram(t)
	for name, slow := range map[string]slowClients{
		"catch-up":              {"", 1 << 20, false},
		"catch-up, batched":     {"&batch=20ms", 1 << 20, false},
		"catch-up, conflated":   {"&conflate=1", 1 << 20, false},
		"catch-up, both":        {"&conflate=1&batch=20ms", 1 << 20, false},
		"feed":                  {"", 32 << 20, false},
		"feed, batched":         {"&batch=20ms", 32 << 20, false},
		"feed, conflated":       {"&conflate=1", 32 << 20, false},
		"feed, both":            {"&conflate=1&batch=20ms", 32 << 20, false},
		"evicted":               {"", 32 << 20, true},
		"evicted, batched":      {"&batch=20ms", 32 << 20, true},
		"evicted, conflated":    {"&conflate=1", 32 << 20, true},
		"evicted from catch-up": {"", 1 << 20, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemoryTest(t, binary, fmt.Sprintf("--feed-bytes=%d", slow.feedBytes))
			slow.connect(m)
			m.checkPeak()
		})
	}
}

// connect writes events of nearly 4 MiB, and connects the clients behind all of them or, if they are staggered,
// behind one each.
func (slow *slowClients) connect(m *memoryTest) {
	write := func() { m.write("large", 1, 4_000_000) }
	if !slow.stagger {
		for range 6 {
			write()
		}
	}
	var clients []*rawStream
	for range *memoryReaders {
		at := "/api/events?since=" + m.started
		if slow.stagger {
			at = "/api/events?x=1"
		}
		s := m.openSmall(at + "&types=large,end" + slow.query)
		s.await(`"sync"`)
		if clients = append(clients, s); slow.stagger {
			write()
			m.latencies(1)
		}
	}
	m.latencies(100)
}

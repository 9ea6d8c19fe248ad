package e2e

import (
	"fmt"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestMemoryOfSlowClients stops clients within large events. Each must cost the server little more than its socket,
// whether the feed or the log has the events, and whether the client has them merged or not.
func TestMemoryOfSlowClients(t *testing.T) {
	t.Parallel()
	binary := buildProgram(t)
	for source, feedBytes := range map[string]int{"feed": 32 << 20, "log": 1 << 20} {
		for name, query := range map[string]string{
			"plain": "", "batched": "&batch=20ms", "conflated": "&conflate=1", "conflated and batched": "&conflate=1&batch=20ms",
		} {
			t.Run(source+", "+name, func(t *testing.T) {
				m := newMemoryTest(t, binary, fmt.Sprintf("--feed-bytes=%d", feedBytes))
				m.stopWithinLargeEvents(query)
				m.checkPeak()
			})
		}
	}
}

// stopWithinLargeEvents writes events of nearly 4 MiB, and opens streams that begin before them.
func (m *memoryTest) stopWithinLargeEvents(query string) {
	for range 6 {
		pgtest.Exec(m, m.conn, `insert into pgherald.events (type, data) select 'large', to_json(repeat(md5(random()::text), 125000))`)
	}
	for range 2 * *memoryReaders {
		m.openSmall("/api/events?types=large&unknown=allow&since=" + m.started + query).await(`"sync"`)
	}
	m.latencies(100)
}

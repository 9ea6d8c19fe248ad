package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestMemoryOfStuckClients stops each client within a large event of its own. The server must not hold all of these
// events until the clients go on: it closes those that keep the oldest ones in memory. The clients can resume.
func TestMemoryOfStuckClients(t *testing.T) {
	t.Parallel()
	binary := buildProgram(t)
	for name, test := range map[string]struct {
		open  func(*testing.T, string) *memoryTest
		stop  func(*memoryTest, string) (within func())
		query string
	}{
		"HTTP/1.1":            {newSmallFeedTest, (*memoryTest).stopWithinEvent, ""},
		"HTTP/1.1, batched":   {newSmallFeedTest, (*memoryTest).stopWithinEvent, "&batch=20ms"},
		"HTTP/1.1, conflated": {newSmallFeedTest, (*memoryTest).stopWithinEvent, "&conflate=1"},
		"TLS":                 {newTLSMemoryTest, (*memoryTest).stopWithinEvent, ""},
		"TLS, batched":        {newTLSMemoryTest, (*memoryTest).stopWithinEvent, "&batch=20ms"},
		"HTTP/2, conflated":   {newSmallFeedTest, (*memoryTest).stopWithinEventOverHTTP2, "&conflate=1"},
	} {
		t.Run(name, func(t *testing.T) {
			m := test.open(t, binary)
			m.stopWithinDifferentEvents(func() (within func()) { return test.stop(m, "/api/events?types=large&unknown=allow"+test.query) })
			m.checkPeak()
		})
	}
}

func newSmallFeedTest(t *testing.T, binary string) *memoryTest {
	return newMemoryTest(t, binary, "--feed-bytes=32MiB", "--h2c")
}

func newTLSMemoryTest(t *testing.T, binary string) *memoryTest {
	dir, trust := t.TempDir(), x509.NewCertPool()
	writeCertificate(t, dir, "memory", trust)
	return openMemoryTest(t, binary, &tls.Config{RootCAs: trust, ServerName: "127.0.0.1"}, "--feed-bytes=32MiB",
		"--tls-cert="+filepath.Join(dir, "cert.pem"), "--tls-key="+filepath.Join(dir, "key.pem"))
}

// stopWithinDifferentEvents opens a client and writes an event of nearly 4 MiB, again and again. stop opens a client, and
// returns a function that waits until the client has received the beginning of an event, and then no longer reads.
func (m *memoryTest) stopWithinDifferentEvents(stop func() (within func())) {
	for range *memoryReaders {
		within := stop()
		pgtest.Exec(m, m.conn, `
			with written as (
				insert into pgherald.events (type, data) select 'large', to_json(repeat(md5(random()::text), 125000)) returning 1
			)
			select pgherald.wake('{}') from (select count(*) from written) as n`)
		within()
	}
	m.latencies(20)
}

func (m *memoryTest) stopWithinEvent(path string) (within func()) {
	s := m.openSmall(path)
	s.await(`"sync"`)
	return func() {
		if _, err := s.in.Peek(20); err != nil {
			m.Errorf("read the beginning of an event: %v", err)
		}
	}
}

func (m *memoryTest) stopWithinEventOverHTTP2(path string) (within func()) {
	f, err := newFlood(m.dial(4096).(*net.TCPConn))
	if err == nil {
		err = f.open("GET", path, true)
	}
	if err != nil {
		m.Fatal(err)
	}
	m.awaitData(f, `"sync"`)
	return func() { m.awaitData(f, "") }
}

// awaitData reads frames until one has data with the text.
func (m *memoryTest) awaitData(f *flood, text string) {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			m.Fatal(err)
		}
		if data, ok := frame.(*http2.DataFrame); ok && strings.Contains(string(data.Data()), text) {
			return
		}
	}
}

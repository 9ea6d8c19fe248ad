package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/web"
)

// FuzzListener sends bytes to the listener, as HTTP/1.1 and HTTP/2. The server must close the connection soon after the
// client has stopped sending, answer only in these protocols, and not panic.
func FuzzListener(f *testing.F) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	settings := "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for _, seed := range []string{
		"", "\r\n\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /api/events?since=k3f9-0 HTTP/1.0\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n",
		"POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", preface, preface + settings,
		// HEADERS with the indexed fields :method GET, :scheme http, :path /, with and without END_STREAM and END_HEADERS.
		preface + settings + "\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x86\x84", preface + settings + "\x00\x00\x03\x01\x04\x00\x00\x00\x01\x82\x86\x84",
		preface + settings + "\x00\x00\x03\x01\x01\x00\x00\x00\x01\x82\x86\x84\x00\x00\x00\x09\x04\x00\x00\x00\x01",
		preface + settings + "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08",
	} {
		f.Add([]byte(seed))
	}
	s := newBareServer(f, api.Page{Handler: web.Page(true)})
	f.Cleanup(s.stop)
	conn := s.dial(f) // the first request compresses the pages, which can take longer than an execution may
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		f.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := s.dial(t)
		defer conn.Close()
		go func() {
			_, _ = conn.Write(data) // the server may close the connection before the end
			_ = conn.CloseWrite()
		}()
		answer, err := readAnswer(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the server keeps the connection open after %q", data)
		}
		isHTTP2 := isHTTP2(answer) && bytes.HasPrefix([]byte(preface), data[:min(len(data), len(preface))])
		if len(answer) > 0 && !isHTTP2 && !bytes.HasPrefix(answer, []byte("HTTP/1.")) {
			t.Fatalf("%q is answered with %q", data, answer)
		}
		if text := s.logged.String(); text != "" {
			t.Fatal(text)
		}
	})
}

// readAnswer reads until the server ends the connection, or says so with a GOAWAY: net/http then waits for a second, in case the
// client has yet to read.
func readAnswer(conn net.Conn) (answer []byte, err error) {
	part := make([]byte, 4<<10)
	for frames := 0; ; {
		n, err := conn.Read(part)
		answer = append(answer, part[:n]...)
		if err != nil {
			return answer, err
		}
		for isHTTP2(answer) && len(answer)-frames >= 9 {
			frame := answer[frames:]
			if frame[3] == byte(http2.FrameGoAway) {
				return answer, nil
			}
			size := 9 + int(binary.BigEndian.Uint32(frame)>>8)
			if size > len(frame) {
				break
			}
			frames += size
		}
	}
}

// isHTTP2 reports whether the answer begins with SETTINGS.
func isHTTP2(answer []byte) bool { return len(answer) >= 9 && answer[3] == byte(http2.FrameSettings) }

// maxCases is how many cases of FuzzStreamSockets have the same server, whose log keeps their events in memory.
const maxCases = 100

// FuzzStreamSockets does to the sockets of streams what clients may do, in any order: read or not, send bytes, close one
// direction or both, reset. A client that behaves must receive each event.
func FuzzStreamSockets(f *testing.F) {
	for _, seed := range []string{"", "\x00\x05\x03", "\x00\x08\x10\x18\x05\x0d\x02\x0a\x12\x1a\x05", "\x00\x01\x05\x02\x05", "\x00\x05\x04\x05", "\x07\x05\x05\x07\x06\x0e\x04", "\x00\x00\x00\x00\x01\x02\x03\x04\x05"} {
		f.Add([]byte(seed))
	}
	s, cases := newBareServer(f), 0
	f.Cleanup(func() { s.stop() }) // waits for all of its goroutines
	f.Fuzz(func(t *testing.T, program []byte) {
		if cases++; cases%maxCases == 0 {
			s.stop()
			s = newBareServer(t)
		}
		healthy := &bareStream{conn: s.open(t), t: t}
		defer healthy.conn.Close()
		healthy.in = bufio.NewReader(healthy.conn)
		healthy.await("sync")
		client := fuzzedClient{t: t, server: s}
		for _, step := range program[:min(len(program), 40)] {
			client.do(step)
		}
		s.commit("last", "")
		if got := healthy.await("last"); got != client.commits+1 {
			t.Errorf("a client that behaves received %d of %d events", got, client.commits+1)
		}
		client.closeAll()
		if text := s.logged.String(); text != "" {
			t.Fatal(text)
		}
	})
}

// open opens a stream.
func (s *bareServer) open(tb testing.TB) *net.TCPConn {
	tb.Helper()
	conn := s.dial(tb)
	if _, err := io.WriteString(conn, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		tb.Fatal(err)
	}
	return conn
}

// bareStream is a client that reads events.
type bareStream struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// await reads until an event of a type, and returns how many events of the log it has read.
func (b *bareStream) await(kind string) (events int) {
	b.t.Helper()
	for {
		line, err := b.in.ReadString('\n')
		if err != nil {
			b.t.Fatalf("wait for %s: %v", kind, err)
		}
		if strings.HasPrefix(line, `data: {"id":`) {
			events++
		}
		if strings.Contains(line, `"type":"`+kind+`"`) {
			return events
		}
	}
}

// fuzzedClient has the sockets of a program.
type fuzzedClient struct {
	t       *testing.T
	server  *bareServer
	conns   []*net.TCPConn
	commits int
}

// do makes one step: its lowest three bits say what to do, the others with which socket. Errors are expected, since
// earlier steps have closed sockets.
func (c *fuzzedClient) do(step byte) {
	if what := step & 7; what == 0 || what == 7 {
		conn := c.server.open(c.t)
		if what == 7 { // its buffer is full soon
			_ = conn.SetReadBuffer(1 << 10)
		}
		c.conns = append(c.conns, conn)
		return
	} else if what == 5 {
		c.commits++
		c.server.commit("step", `"`+strings.Repeat("x", int(step)<<6)+`"`)
		return
	}
	if len(c.conns) == 0 {
		return
	}
	conn := c.conns[int(step>>3)%len(c.conns)]
	switch step & 7 {
	case 1:
		_, _ = conn.Write(bytes.Repeat([]byte{step}, 1+int(step)))
	case 2:
		_ = conn.CloseWrite()
	case 3:
		_ = conn.Close()
	case 4:
		_ = conn.SetLinger(0)
		_ = conn.Close()
	case 6:
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Microsecond)) // there may be nothing to read
		_, _ = conn.Read(make([]byte, 1+int(step)))
	}
}

func (c *fuzzedClient) closeAll() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

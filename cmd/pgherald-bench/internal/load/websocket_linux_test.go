package load

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/websocket"
)

// The messages of a WebSocket can be read however its bytes are cut, also with pings among them.
func TestSocket(t *testing.T) {
	t.Parallel()
	var want []string
	for n := range 100 {
		want = append(want, fmt.Sprintf(`{"n":%d,"sent":5,"pad":%q}`, n, strings.Repeat("x", n*7)))
	}
	server := httptest.NewServer(websocket.Handler(func(ws *websocket.Conn) {
		for _, message := range want {
			ws.PayloadType = websocket.PingFrame
			_, _ = ws.Write([]byte("ping"))
			_ = websocket.Message.Send(ws, message) // as text
		}
		_, _ = io.Copy(io.Discard, ws) // until the client closes, or what is on its way would be lost with the unread pongs
	}))
	defer server.Close()
	for _, size := range []int{1, 7, 10000} {
		got, err := readSocket(server.Listener.Addr().String(), size, len(want))
		if err != nil {
			t.Fatalf("parts of %d bytes: %v", size, err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("parts of %d bytes: got %q", size, got)
		}
	}
}

// readSocket reads a number of messages in parts.
func readSocket(addr string, size, messages int) (got []string, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	begun := 0
	s := newSocket(int(file.Fd()), addr+"/", func() { begun++ }, func(b []byte) { got = append(got, string(b)) })
	defer s.stop()
	err = s.write(nil) // sends the request
	part := make([]byte, size)
	for err == nil && len(got) < messages {
		var n int
		if n, err = conn.Read(part); err == nil {
			err = s.write(part[:n])
		}
	}
	if begun != 1 {
		err = fmt.Errorf("the WebSocket has begun %d times: %w", begun, err)
	}
	return got, err
}

// A server that refuses the WebSocket gives an error.
func TestSocketRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	defer server.Close()
	if got, err := readSocket(server.Listener.Addr().String(), 100, 1); err == nil {
		t.Errorf("got %q of a server without WebSockets", got)
	}
}

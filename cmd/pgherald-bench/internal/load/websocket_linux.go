package load

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"golang.org/x/net/websocket"
	"golang.org/x/sys/unix"
)

// socket reads a WebSocket whose bytes arrive in parts. The library asks for bytes, so it runs in a coroutine, which waits
// for the next part whenever it has read the last one.
type socket struct {
	in     []byte
	err    error // that ended the coroutine
	resume func() (struct{}, bool)
	stop   func()
}

// newSocket returns a WebSocket that sends to fd, and passes the messages it receives to out. It calls begun after the
// handshake. The first call of resume sends the request. The caller must call stop.
func newSocket(fd int, location string, begun func(), out func([]byte)) *socket {
	s := new(socket)
	s.resume, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		s.err = s.run(&socketConn{partReader{&s.in, yield}, fd}, location, begun, out)
	})
	return s
}

// run returns when the server closes the WebSocket, or when yield returns false.
func (s *socket) run(conn io.ReadWriteCloser, location string, begun func(), out func([]byte)) error {
	config, err := websocket.NewConfig("ws://"+location, "http://"+location)
	if err != nil {
		return err
	}
	ws, err := websocket.NewClient(config, conn)
	if err != nil {
		return fmt.Errorf("shake hands: %w", err)
	}
	begun()
	for {
		var message []byte
		if err := websocket.Message.Receive(ws, &message); err != nil { // answers pings
			return err
		}
		out(message)
	}
}

// write reads a part of the stream.
func (s *socket) write(part []byte) error {
	s.in = part
	if _, ok := s.resume(); !ok {
		return errors.Join(errors.New("read the WebSocket"), s.err)
	}
	return nil
}

// socketConn is the connection of the library.
type socketConn struct {
	partReader
	fd int
}

func (c *socketConn) Write(p []byte) (int, error) { return unix.Write(c.fd, p) }

// Close does nothing: the loop closes the socket.
func (c *socketConn) Close() error { return nil }

package server

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frameClient speaks HTTP/2 on a socket, frame by frame.
type frameClient struct {
	*socketClient
	*http2.Framer
	out    *bufio.Writer // of the framer
	hpack  *hpack.Encoder
	header bytes.Buffer
	stream uint32 // the next one
}

func (s *socketServer) dialFrames(from string) *frameClient {
	s.Helper()
	conn := s.dial(from)
	out := bufio.NewWriter(conn)
	c := &frameClient{socketClient: conn, Framer: http2.NewFramer(out, conn), out: out, stream: 1}
	c.AllowIllegalWrites = true
	c.hpack = hpack.NewEncoder(&c.header)
	_, err := out.WriteString(http2.ClientPreface)
	if err = errors.Join(err, c.WriteSettings()); err != nil {
		s.Fatal(err)
	}
	return c
}

// open sends the headers of a request on the next stream.
func (c *frameClient) open(method, path string, isWhole bool, more ...hpack.HeaderField) error {
	c.header.Reset()
	for _, field := range append([]hpack.HeaderField{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path}, {Name: ":authority", Value: "localhost"},
	}, more...) {
		_ = c.hpack.WriteField(field) // into memory
	}
	block := c.header.Next(http2Frame)
	err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: block, EndStream: isWhole, EndHeaders: c.header.Len() == 0})
	for c.header.Len() > 0 {
		block = c.header.Next(http2Frame)
		err = errors.Join(err, c.WriteContinuation(c.stream, c.header.Len() == 0, block))
	}
	c.stream += 2
	return err
}

// awaitFrame reads until a frame of a type, with a flag if it is not 0.
func (c *frameClient) awaitFrame(kind http2.FrameType, flag http2.Flags) http2.Frame {
	c.T.Helper()
	_ = c.out.Flush() // the read fails too
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			c.T.Fatalf("wait for %v: %v", kind, err)
		}
		if h := frame.Header(); h.Type == kind && h.Flags.Has(flag) {
			return frame
		}
	}
}

// answer is the handler of a socketServer.
func (s *socketServer) answer(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	switch r.URL.Path {
	case "/busy":
		s.busy <- struct{}{}
		<-s.release
	case "/hold":
		<-r.Context().Done()
	case "/read":
		_, _ = io.Copy(io.Discard, r.Body)
	case "/late":
		_ = control.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := r.Body.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	case "/frames":
		for err := error(nil); err == nil; err = control.Flush() {
			_, _ = w.Write(make([]byte, 200))
		}
	}
}

// isServed reports whether the server answers a PING.
func (c *frameClient) isServed() bool {
	if c.WritePing(false, [8]byte{'x'}) != nil || c.out.Flush() != nil {
		return false
	}
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return false
		}
		if ping, ok := frame.(*http2.PingFrame); ok && ping.Data == [8]byte{'x'} {
			return true
		}
	}
}

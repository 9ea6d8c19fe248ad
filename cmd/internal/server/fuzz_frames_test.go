package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzFrames sends frames of HTTP/2 in any order, whose lengths are true, so that the server decodes each. It must end the
// connection once the client has stopped sending, not panic, and serve the next client.
func FuzzFrames(f *testing.F) {
	// Each step is the type, the flags, the stream, the length of the payload, and the payload. A HEADERS or CONTINUATION
	// without a payload has the headers of a request.
	for _, seed := range []string{
		"\x01\x05\x01\x00", "\x01\x04\x01\x00\x00\x00\x01\x02ab\x00\x01\x01\x00", "\x01\x01\x01\x00\x09\x00\x01\x00\x09\x04\x01\x00", // requests
		"\x01\x05\x01\x00\x03\x00\x01\x04\x00\x00\x00\x08\x01\x05\x03\x00\x08\x00\x03\x04\x00\x00\x00\x00", // resets, by either side
		"\x04\x00\x00\x06\x00\x04\x00\x00\x00\x00\x01\x05\x01\x00\x08\x00\x00\x04\x7f\xff\xff\xff",         // windows
		"\x04\x01\x00\x00\x06\x00\x00\x0812345678\x07\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00",         // SETTINGS ack, PING, GOAWAY
		"\x02\x00\x03\x05\x00\x00\x00\x03\x10\x05\x00\x01\x04\x00\x00\x00\x02\x0a\x00\x01\x03abc",          // PRIORITY, PUSH_PROMISE, unknown
		"\x01\x0d\x01\x03\x01\x82\x86\x00\x08\x01\x03\x02ab",                                               // padding
	} {
		f.Add([]byte(seed))
	}
	s := newBareServer(f)
	f.Cleanup(s.stop)
	f.Fuzz(func(t *testing.T, program []byte) {
		conn := s.dial(t)
		defer conn.Close()
		sent := append([]byte(http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), frames(program)...)
		go func() {
			_, _ = conn.Write(sent) // the server may close the connection before the end
			_ = conn.CloseWrite()
		}()
		if _, err := readAnswer(conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the server keeps the connection open after %q", program)
		}
		if text := s.logged.String(); text != "" {
			t.Fatal(text)
		}
		next := s.dial(t)
		defer next.Close()
		if _, err := io.WriteString(next, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(next); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
			t.Fatalf("after %q the next client is answered with %q, %v", program, answer, err)
		}
	})
}

// frames returns the frames of a program, at most a hundred.
func frames(program []byte) (sent []byte) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for n := 0; len(program) >= 4 && n < 100; n++ {
		kind, flags, stream, size := program[0]%12, program[1], uint32(program[2]%16), int(program[3])
		payload := program[4:min(len(program), 4+size)]
		program = program[4+len(payload):]
		if isBlock := kind == byte(http2.FrameHeaders) || kind == byte(http2.FrameContinuation); isBlock && size == 0 {
			block.Reset()
			for _, field := range []string{":method=GET", ":scheme=http", ":path=/api/events", ":authority=localhost"} {
				name, value, _ := strings.Cut(field, "=")
				_ = encoder.WriteField(hpack.HeaderField{Name: name, Value: value}) // into memory
			}
			payload = block.Bytes()
		}
		header := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		header = binary.BigEndian.AppendUint32(append(header, flags), stream)
		sent = append(append(sent, header...), payload...)
	}
	return sent
}

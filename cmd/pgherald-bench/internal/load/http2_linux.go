package load

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// The subset of HTTP/2 (RFC 9113) that a stream of events needs: fixed bytes as the request, DATA frames
// as the response, and acknowledgements.
const (
	http2Preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	http2HeadSize = 9

	http2Data     = 0x0
	http2Headers  = 0x1
	http2Settings = 0x4
	http2Ping     = 0x6
	http2GoAway   = 0x7
	http2Window   = 0x8

	http2Ack        = 0x1
	http2EndStream  = 0x1
	http2EndHeaders = 0x4
)

func http2Frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// http2Request returns the bytes that open a connection and request path on each stream. The windows
// last for a benchmark.
func http2Request(path, authority string, streams int) string {
	literal := func(index byte, value string) []byte { // a header field with a name of the static table
		return append([]byte{index, byte(len(value))}, value...)
	}
	// :method GET, :scheme http, :path, :authority; names from RFC 7541's static table, no dynamic table.
	block := []byte{0x82, 0x86}
	block = append(block, literal(0x04, path)...)
	block = append(block, literal(0x01, authority)...)
	window := binary.BigEndian.AppendUint32(nil, 1<<30)
	b := []byte(http2Preface)
	b = append(b, http2Frame(http2Settings, 0, 0, append([]byte{0, 4}, window...))...) // each stream's window
	b = append(b, http2Frame(http2Window, 0, 0, window)...)
	for i := range streams {
		b = append(b, http2Frame(http2Headers, http2EndStream|http2EndHeaders, uint32(2*i+1), block)...)
	}
	return string(b)
}

// consumeHTTP2 parses received bytes into frames.
func (l *loop) consumeHTTP2(c *client, data []byte) error {
	c.carry = append(c.carry, data...)
	rest := c.carry
	for len(rest) >= http2HeadSize {
		length := int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2])
		if len(rest) < http2HeadSize+length {
			break
		}
		kind, flags, payload := rest[3], rest[4], rest[http2HeadSize:http2HeadSize+length]
		rest = rest[http2HeadSize+length:]
		if err := l.frameHTTP2(c, kind, flags, payload); err != nil {
			return err
		}
	}
	if c.carry = append(c.carry[:0], rest...); len(c.carry) == 0 {
		c.carry = nil
	}
	return nil
}

// frameHTTP2 handles one frame: data, the start of a stream, or a frame that needs an acknowledgement.
func (l *loop) frameHTTP2(c *client, kind, flags byte, payload []byte) error {
	switch {
	case kind == http2Data:
		if l.config.Streams > 1 { // many streams per connection are only held open
			return nil
		}
		l.events(c, payload)
	case kind == http2Headers:
		if c.streams++; c.streams == l.config.Streams && (c.streams > 1 || !l.config.AwaitFrame) {
			l.markReady(c)
		}
	case kind == http2Settings && flags&http2Ack == 0:
		_, err := unix.Write(c.fd, http2Frame(http2Settings, http2Ack, 0, nil))
		return err
	case kind == http2Ping && flags&http2Ack == 0:
		_, err := unix.Write(c.fd, http2Frame(http2Ping, http2Ack, 0, payload))
		return err
	case kind == http2GoAway:
		return errors.New("the server ended the HTTP/2 connection")
	}
	return nil
}

package sse

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"
)

// gzipHeader begins a gzip stream without a name, a time and a known system. The stream has no trailer, because it has no
// end: it is cut off like every event stream.
const gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// compressionLevel is one whose state is cheap to clear: levels above 6 zero their tables.
const compressionLevel = 6

// maxCompressed is the size above which bytes are not compressed: that would keep the other clients waiting.
const maxCompressed = 256 << 10

// acceptsGzip reports whether the client of the request accepts gzip.
func acceptsGzip(r *http.Request) bool {
	accepted, refused := false, false
	for _, list := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(list, ",") {
			name, params, _ := strings.Cut(coding, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip": // names of the same coding
				if isWanted(params) {
					return true
				}
				refused = true
			case "*":
				accepted = isWanted(params)
			}
		}
	}
	return accepted && !refused
}

// isWanted reports whether the parameters of a coding are without q=0.
func isWanted(params string) bool {
	name, value, _ := strings.Cut(params, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return true
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return err == nil && q > 0
}

// compressor makes deflate blocks of bytes. The last of them is an empty one, so that each result ends at a byte, and a
// decoder has everything before it (RFC 1951, 3.2.4).
type compressor struct {
	out    bytes.Buffer
	writer *flate.Writer
}

func newCompressor() *compressor {
	c := new(compressor)
	c.writer, _ = flate.NewWriter(&c.out, compressionLevel) // the level is valid
	return c
}

// fresh compresses bytes without a reference to earlier ones: any client can decode the result.
func (c *compressor) fresh(bufs ...[]byte) []byte {
	c.writer.Reset(&c.out)
	return c.chained(bufs...)
}

// chained compresses bytes with references to all that were compressed since the last call of fresh: a client that has
// received exactly those results since then can decode this one.
func (c *compressor) chained(bufs ...[]byte) []byte {
	c.out.Reset()
	for _, b := range bufs {
		_, _ = c.writer.Write(b) // a bytes.Buffer takes everything
	}
	_ = c.writer.Flush()
	compressed := slices.Clone(c.out.Bytes())
	if c.out.Cap() > 2*maxCompressed {
		c.out = bytes.Buffer{}
	}
	return compressed
}

// A stored block has a header of five bytes, and up to maxStored bytes, which follow unchanged.
const (
	storedHeader = 5
	maxStored    = 1<<16 - 1
)

// appendStoredHeader appends the header of a stored block of n bytes, which follow.
func appendStoredHeader(dst []byte, n int) []byte {
	dst = append(dst, 0) // neither the last block nor a compressed one; the rest of the byte is padding
	dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
	return binary.LittleEndian.AppendUint16(dst, ^uint16(n))
}

// stored returns bytes in stored blocks, in one piece. The last block is empty, as after compressed ones: some decoders,
// such as Go's, keep what they have decoded until they meet one.
func stored(data []byte) []byte {
	dst := make([]byte, 0, len(data)+storedHeader*(len(data)/maxStored+2))
	for len(data) > 0 {
		n := min(len(data), maxStored)
		dst = append(appendStoredHeader(dst, n), data[:n]...)
		data = data[n:]
	}
	return appendStoredHeader(dst, 0)
}

// storeCopied is the size up to which storedBufs copies a buffer.
const storeCopied = 16 << 10

// storedBufs returns buffers in stored blocks. Large buffers share the memory of bufs.
func storedBufs(bufs [][]byte) (blocks [][]byte) {
	var small []byte
	for _, b := range bufs {
		if len(b) <= storeCopied && len(small)+len(b) <= maxStored {
			small = append(small, b...)
			continue
		}
		if len(small) > 0 {
			blocks, small = append(blocks, stored(small)), nil
		}
		for ; len(b) > storeCopied; b = b[min(len(b), maxStored):] {
			n := min(len(b), maxStored)
			blocks = append(blocks, appendStoredHeader(nil, n), b[:n])
		}
		small = append(small, b...)
	}
	return append(blocks, stored(small))
}

// cut returns the first n bytes of bufs, or all, and the rest. It does not change bufs.
func cut(bufs [][]byte, n int) (head, rest [][]byte) {
	for i, b := range bufs {
		if len(b) > n {
			head = append(slices.Clone(bufs[:i]), b[:n])
			return head, append([][]byte{b[n:]}, bufs[i+1:]...)
		}
		n -= len(b)
	}
	return bufs, nil
}

func sizeOf(bufs [][]byte) (n int) {
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

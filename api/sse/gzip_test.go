package sse

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
)

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "deflate, GZIP;q=0.5, br": true, "x-gzip": true, "br": false, "gzip;q=0": false, "gzip; q=0.000": false,
		"*": true, "*;q=0": false, "*, gzip;q=0": false, "gzip;q=bad": false, "identity": false, "gzip;level=9": true, "gzip;q=1.0": true, "x-gzip;q=0, gzip": true, "gzip;q=0, x-gzip": true, "gzip;q=0, *": false, ",,;": false,
	} {
		r := &http.Request{Header: http.Header{"Accept-Encoding": {header}}}
		if got := acceptsGzip(r); got != want {
			t.Errorf("accepts gzip by %q: got %v, want %v", header, got, want)
		}
	}
	if acceptsGzip(&http.Request{}) {
		t.Error("a request without the header accepts gzip")
	}
}

// inflate decodes blocks that have no last one, but end with an empty one.
func inflate(t *testing.T, blocks []byte) []byte {
	t.Helper()
	if !bytes.HasSuffix(blocks, []byte("\x00\x00\xff\xff")) {
		t.Fatal("the blocks do not end with an empty one: a decoder may wait for more")
	}
	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(blocks)))
	if err != io.ErrUnexpectedEOF {
		t.Fatalf("decompress: got %v after %d bytes, want an unexpected end", err, len(got))
	}
	return got
}

func TestStoredBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var bufs [][]byte
		for range r.IntN(6) {
			b := make([]byte, r.IntN(1<<r.IntN(18)))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			bufs = append(bufs, b)
		}
		want := slices.Concat(bufs...)
		if got := inflate(t, slices.Concat(storedBufs(bufs)...)); !bytes.Equal(got, want) {
			t.Fatalf("stored buffers of %d bytes have %d", len(want), len(got))
		}
		if got := inflate(t, stored(want)); !bytes.Equal(got, want) {
			t.Fatalf("stored bytes: %d became %d", len(want), len(got))
		}
		n := r.IntN(1 << 17)
		head, rest := cut(bufs, n)
		if sizeOf(head) != min(n, len(want)) || !bytes.Equal(slices.Concat(slices.Concat(head, rest)...), want) {
			t.Fatalf("cut %d bytes at %d: got %d and %d", len(want), n, sizeOf(head), sizeOf(rest))
		}
	}
}

// What is chained refers to no byte from before the last clear point: a decoder that has only what came since then, after
// any other bytes, decodes it.
func TestChainedRefersToWhatFollowsTheClearPoint(t *testing.T) {
	c := newCompressor()
	r := rand.New(rand.NewPCG(3, 4))
	text := func() []byte {
		b := bytes.Repeat([]byte("one row of the table has changed; "), 1+r.IntN(40))
		return append(b, byte('a'+r.IntN(26)))
	}
	for range 50 {
		c.chained(text()) // history that must not be referred to
	}
	for range 20 {
		first := text()
		want, blocks := slices.Clone(first), slices.Concat(stored([]byte("own")), c.fresh(first))
		for range r.IntN(40) {
			next := text()
			want, blocks = append(want, next...), append(blocks, c.chained(next)...)
		}
		if got := inflate(t, blocks); string(got) != "own"+string(want) {
			t.Fatalf("got %d bytes, want %d", len(got), len(want)+3)
		}
	}
}

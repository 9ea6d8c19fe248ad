package load

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"
)

// A stream can be decompressed however its bytes are cut, each flush as soon as its last byte has arrived.
func TestInflater(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 100, 10000} {
		var got, want, packed bytes.Buffer
		f := newInflater(func(b []byte) { got.Write(b) })
		w := gzip.NewWriter(&packed)
		for n := range 100 {
			text := fmt.Sprintf("event %d of the table\n", n)
			want.WriteString(text)
			_, _ = w.Write([]byte(text))
			_ = w.Flush()
			for packed.Len() > 0 {
				if err := f.write(bytes.Clone(packed.Next(size))); err != nil {
					t.Fatal(err)
				}
			}
			if got.String() != want.String() {
				t.Fatalf("parts of %d bytes: got %q, want %q", size, got.String(), want.String())
			}
		}
		f.stop()
	}
	f := newInflater(func([]byte) {})
	if f.write([]byte("not a gzip stream")) == nil {
		t.Error("a stream that is not compressed was decompressed")
	}
	f.stop()
}

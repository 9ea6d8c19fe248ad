package sse

import (
	"testing"
	"unsafe"
)

// Go's allocator has a size class of 256 bytes, and then one of 288. With the session, a connection
// takes about a kilobyte, half of which is the head room of the garbage collector (bench memory).
func TestClientIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(client{}); size > 256 {
		t.Errorf("size of a client: got %d bytes, want at most 256", size)
	}
}

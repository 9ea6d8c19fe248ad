package sse

import (
	"testing"
	"unsafe"
)

// Go's allocator hands out 256 bytes, and then 288. With what the API keeps of a connection that is
// about a kilobyte, of which the garbage collector's head room is the half (pgherald bench memory).
func TestClientIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(client{}); size > 256 {
		t.Errorf("a client takes %d bytes", size)
	}
}

// Package load opens tens of thousands of streams and checks what arrives on them.
//
// The parent side is a Group: client processes that connect, count and report together. The child side,
// Run, is one loop over epoll: a client costs the kernel's sockets, a few words of memory and no goroutine,
// so that the load takes little from the server that it measures.
//
// Events carry their number and the time of their write. A client is complete if it received each number of
// an offer once, which its count and its sum of numbers show.
package load

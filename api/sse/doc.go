// Package sse writes streams of events to their clients: many thousands of them at once, each at
// its own pace.
//
// There are two ways to do that behind one interface, and one test suite for both.
//
// The simple one is a goroutine for each stream (goroutine.go). It works on every system, over
// TLS and HTTP/2, and is the reference. A stream costs tens of kilobytes, most of them stacks and
// buffers of net/http. What is ours of the stack is kept low by serving it from outside of all handlers
// (shallow.go).
//
// The other one (Linux, HTTP/1 without TLS: what a server behind a proxy sees) takes the socket
// away from net/http once the response has begun, and lets the request's goroutine end. What is
// left of a stream is a struct of some hundred bytes and the socket.
//
//	              Feed.Changed                       epoll
//	                   │                               │ hung up, writable again
//	                   ▼                               ▼
//	shard ── walks its clients: what is due? ── send ──► socket ── full? keep the rest of one frame
//	  ▲                                                  │
//	  └──────────── back when it has caught up ◄── goroutine: reads the log (only when behind)
//
// A shard is a goroutine that owns a part of the clients; there are as many as processors. When
// the feed has changed it walks its clients and makes one non-blocking send for each: a pass.
// What is due is put together once for all who stand at the same place (stream.Pass), so nearly
// all of a pass is the kernel's work. Only the shard touches a client, but for the goroutine that
// a client is lent to while it reads the log.
//
// # What epoll is, and what we use it for
//
// A socket has a buffer in the kernel. A send into a full one would wait for the client; ours are
// non-blocking and fail with EAGAIN instead. To learn when there is room again, or that a client
// has hung up, without asking each socket, one registers them with an epoll instance: EpollWait
// then returns those to which something happened. It is edge-triggered here: it reports a change
// once and not for as long as it lasts, so nothing has to be switched on and off for each send.
// One goroutine waits in it (poller_linux.go) and passes on what it hears to the shards.
//
// Sends are raw system calls: they cannot block, so the scheduler needs not be told of them.
// Told, it hands the processor to another thread at every second one.
//
// # Pace
//
// Waking a client costs the same for one event and for twenty. So a shard that takes long for a pass
// lets up to 52 ms go by before the next one, and whatever is due by then goes out in one send. What
// comes at a low rate, or to few clients, is not held back (pacer.go).
//
// # Promises
//
//   - Nobody waits for a client that does not read: it is passed over until its socket has room.
//     It holds at most the rest of one frame; a large one it shares with all who got stuck there.
//   - A client that takes nothing for the write time-out is disconnected.
//   - Each stream ends once, with a reason, and its Ended is called then.
//   - Close returns when everything that was started has ended.
package sse

// Package sse writes event streams (text/event-stream) to tens of thousands of clients of one server.
//
// There are two transports, and one suite of tests for both.
//
// The goroutine transport serves each stream on the goroutine of its request (goroutine.go). It works on
// every system, and over TLS and HTTP/2. A stream costs tens of kilobytes, mostly stacks and buffers of
// net/http.
//
// The epoll transport serves HTTP/1 without TLS on Linux, such as the streams of a server behind a proxy.
// Once the response has begun, it takes the socket away from net/http, and the request's goroutine ends. A
// struct of 256 bytes and the socket remain.
//
//	              Feed.Changed                   epoll
//	                   │                           │ peer closed, or writable
//	                   ▼                           ▼
//	shard ── walks its clients: any pending? ── send ──► socket ── full? keep the rest of one frame
//	  ▲                                           │
//	  └────────── feed covers it again ◄── goroutine reads the log for a client that is behind
//
// A shard is a goroutine that owns a part of the clients; there is one for each processor. When the
// feed has changed, the shard makes a fan-out pass: it walks its clients and makes one non-blocking
// send for each. The pending bytes are computed once for each cohort ([stream.FanOutPass]), so nearly
// all of a pass is the kernel's work. Only the shard may touch a client, except while a goroutine
// catches up for it.
//
// # States of a client
//
//	                ┌─────────┐     socket full      ┌─────────┐
//	takeOver ──────►│ writing │─────────────────────►│ stalled │──► closed: slow
//	                │         │◄─────────────────────│         │    (too little taken for WriteTimeout,
//	                └─┬─────▲─┘  unsent bytes taken  └────┬────┘     or too much pinned: stream.Pin)
//	        feed does │     │ feed covers                 │
//	    not cover the │     │ the client                  │
//	           client ▼     │ again                       │
//	              ┌─────────┴───┐                         │
//	              │ catching up │──► closed: slow, other  │
//	              └─────────┬───┘    (error of the log)   │
//	                        │◄── drain time, lease ends ──┘
//	                        ▼    (from writing, too)
//	                ┌──────────┐
//	                │ draining │──► closed: draining, expired (last frame taken), slow
//	                └──────────┘
//
// In every state, the client becomes closed when its peer closes the connection (client_gone) and when
// the server calls Close (server_closed). A client whose catch-up ends within a frame is closed without
// draining, because it would parse the last frame as the rest of the cut one. A client is closed once;
// [Owner].Close is called then.
//
// # epoll
//
// Sends do not block: a send to a full socket fails with EAGAIN. The poller registers all sockets with
// one epoll instance. EpollWait returns those that became writable or that the peer closed. epoll is
// edge-triggered: it reports each change once, so that no send needs another registration. One goroutine
// waits in EpollWait (socket_linux.go) and posts messages to the shards.
//
// Sends are raw system calls, which bypass Go's scheduler. They cannot block. During an ordinary system
// call the scheduler may give the processor to another thread, which it did at every second send.
//
// # Compression
//
// With Options.Compress, a client that accepts it gets a gzip stream without an end. Its blocks are made once for each
// cohort and pass: see deflater. A client gets frames of its own in stored blocks. So a stream is a sequence of pieces
// that each end at a byte, and a client's decoder has every event as soon as its piece has arrived.
//
// # Pace
//
// Package pacing decides when a shard may make its next pass: waking a client costs the same for one
// event and for twenty.
//
// # Promises
//
//   - A client that does not read delays no other client. It holds at most the rest of one frame, or of one pass if its
//     stream is compressed, which it shares with all clients that stalled in the same place if it is large.
//   - All clients together hold a bounded part of what the feed has evicted: those that pin the oldest are
//     closed ([stream.Pin]).
//   - A client that takes neither 16 KiB (64 KiB on a goroutine) nor all that is unsent within WriteTimeout is
//     closed.
//   - A stream ends once, with a reason.
//   - No event that was written after the end of a stream's lease reaches its client.
//   - Run returns when every goroutine that it started has ended.
package sse

package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const hostileHost = " HTTP/1.1\r\nHost: 127.0.0.1\r\n"

// attacksOnHTTP1 returns the attacks on sockets, TLS and HTTP/1.
func attacksOnHTTP1() []hostileKind {
	send := func(text string, then func(*hostile, *net.TCPConn) error) func(*hostile, *net.TCPConn) error {
		return func(h *hostile, conn *net.TCPConn) error {
			if _, err := io.WriteString(conn, text); err != nil {
				return err
			}
			return then(h, conn)
		}
	}
	wait := func(_ *hostile, conn *net.TCPConn) error { return untilClosed(conn) }
	reset := func(*hostile, *net.TCPConn) error { return nil }
	hold := func(h *hostile, _ *net.TCPConn) error { return h.hold() }
	return []hostileKind{
		{name: "sends nothing", run: send("", wait)},
		{name: "connects and resets", run: send("", reset)},
		{name: "idle after a request", run: send("GET /healthz"+hostileHost+"\r\n", wait)},
		{name: "headers that trickle", run: send("GET /"+hostileHost, trickle("X: y\r\n"))},
		{name: "headers without end", run: send("GET /"+hostileHost, endless("X: "+string(repeat("y", 4000))+"\r\n"))},
		{name: "withheld body of GET", run: send("GET /api/events"+hostileHost+"Content-Length: 5\r\n\r\n", wait)},
		{name: "withheld chunk of GET", run: send("GET /api/events"+hostileHost+"Transfer-Encoding: chunked\r\n\r\n", wait)},
		{name: "withheld body of POST", run: send("POST /api/activities"+hostileHost+"Content-Type: application/json\r\nContent-Length: 5\r\n\r\n", wait)},
		{name: "chunks that trickle", run: send("POST /api/activities"+hostileHost+"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", trickle("1\r\n \r\n"))},
		{name: "body without end", run: send("POST /api/activities"+hostileHost+"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", endless(fmt.Sprintf("%x\r\n%s\r\n", 4096, repeat(" ", 4096))))},
		{name: "chunk extensions without end", run: send("POST /x"+hostileHost+"Transfer-Encoding: chunked\r\n\r\n", endless("1;"+string(repeat("e", 3000))+"\r\nx\r\n"))},
		{name: "pipelined requests, no reads", run: endless("GET /shared/js/pgherald.js" + hostileHost + "\r\n")},
		{name: "requests for the page, no reads", run: narrow(send("GET /shared/js/pgherald.js"+hostileHost+"\r\nGET /dashboard/js/app.js"+hostileHost+"\r\n", hold))},
		{name: "streams, no reads", run: narrow(send("GET /api/events"+hostileHost+"\r\n", hold))},
		{name: "streams that reset at once", run: send("GET /api/events"+hostileHost+"\r\n", reset)},
		{name: "streams that send", run: send("GET /api/events"+hostileHost+"\r\n", endless(string(repeat("x", 4096))))},
		{name: "malformed requests", run: malformed},
		{name: "very many headers, no reads", run: narrow(endless("GET /shared/js/pgherald.js" + hostileHost + manyHeaders + "\r\n"))},
		{name: "TLS: streams with very many headers", secure: true, run: overTLS("GET /api/events" + hostileHost + manyHeaders + "\r\n")},
		{name: "TLS: streams with large headers", secure: true, run: overTLS("GET /api/events" + hostileHost + largeHeaders + "\r\n")},
		{name: "TLS handshakes without end", secure: true, run: send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", wait)},
		{name: "TLS handshakes that trickle", secure: true, run: send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", trickle("x"))},
		{name: "TLS handshakes of 64 KiB", secure: true, run: send("\x16\x03\x01\x40\x00\x01\x00\xff\xff"+strings.Repeat("x", 16<<10-4)+
			strings.Repeat("\x16\x03\x01\x40\x00"+strings.Repeat("x", 16<<10), 2), wait)},
		{name: "TLS silence", secure: true, run: wait},
		{name: "no TLS", secure: true, run: send("GET /"+hostileHost+"\r\n", wait)},
	}
}

// manyHeaders are the most header fields that fit into the bound of their size, largeHeaders the fewest.
var (
	manyHeaders = func() string {
		var text strings.Builder
		for i := range 10_000 {
			text.WriteString(strconv.FormatInt(int64(i), 36) + ":\r\n")
		}
		return text.String()
	}()
	largeHeaders = strings.Repeat("X: "+strings.Repeat("y", 8<<10)+"\r\n", 7)
)

// overTLS sends a request over TLS and reads the answer.
func overTLS(request string) func(*hostile, *net.TCPConn) error {
	return func(h *hostile, conn *net.TCPConn) error {
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the server is ours
		if err := secure.HandshakeContext(h.ctx); err != nil {
			return err
		}
		if _, err := io.WriteString(secure, request); err != nil {
			return err
		}
		return untilClosed(secure)
	}
}

// trickle sends a text every 50 ms.
func trickle(text string) func(*hostile, *net.TCPConn) error {
	return func(h *hostile, conn *net.TCPConn) error {
		for h.ctx.Err() == nil {
			if _, err := io.WriteString(conn, text); err != nil {
				return err
			}
			pause(h.ctx, 50*time.Millisecond)
		}
		return nil
	}
}

// endless sends a text as fast as the server reads, and reads nothing.
func endless(text string) func(*hostile, *net.TCPConn) error {
	return func(_ *hostile, conn *net.TCPConn) error {
		for {
			if _, err := io.WriteString(conn, text); err != nil {
				return err
			}
		}
	}
}

// narrow gives the connection a small buffer, so that it is full soon.
func narrow(run func(*hostile, *net.TCPConn) error) func(*hostile, *net.TCPConn) error {
	return func(h *hostile, conn *net.TCPConn) error {
		return errors.Join(conn.SetReadBuffer(2<<10), run(h, conn))
	}
}

// malformed sends one request of TestMalformedRequests.
func malformed(h *hostile, conn *net.TCPConn) error {
	g := generator{Rand: h.Rand, cursor: "k3f9xq-1z8r"}
	if _, err := conn.Write(g.request()); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, conn, 4096)
	return err
}

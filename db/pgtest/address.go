package pgtest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// FreeAddr returns an address on loopback on which nothing listens. Its port is below those that the system gives to listeners and
// connections without a port of their own, and to the servers of package postgres: until the caller listens on it, and while
// what listens there restarts, another test is unlikely to take it: it would have to draw the same one of 5000.
func FreeAddr(t testing.TB) string {
	t.Helper()
	var err error
	for range 100 {
		var l net.Listener
		l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(5_000))))
		if err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatalf("find a free port: %v", err)
	return ""
}

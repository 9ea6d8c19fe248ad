package pgtest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// echo starts a server that sends everything back, including the end of the stream.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

func dial(t *testing.T, p *pgtest.Proxy) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != want {
		t.Fatalf("received %q, %v, want %q", buf, err, want)
	}
}

// receiveError returns the error of a read that must receive nothing for d.
func receiveError(t *testing.T, conn net.Conn, d time.Duration) error {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(make([]byte, 1))
	if n > 0 {
		t.Error("data came through")
	}
	return err
}

func TestProxyPassesEverythingAndTheEnd(t *testing.T) {
	conn := dial(t, pgtest.NewProxy(t, echo(t)))
	sent := make([]byte, 4<<20)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		_, _ = conn.Write(sent)
		_ = conn.CloseWrite()
	})
	got, err := io.ReadAll(conn)
	if err != nil || len(got) != len(sent) {
		t.Errorf("received %d bytes, %v, want %d", len(got), err, len(sent))
	}
}

func TestProxyCut(t *testing.T) {
	p := pgtest.NewProxy(t, echo(t))
	conn := dial(t, p)
	send(t, conn, "a")
	receive(t, conn, "a")
	p.Cut()
	if err := receiveError(t, conn, time.Minute); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after the cut: %v, want a reset", err)
	}
	again := dial(t, p)
	send(t, again, "b")
	receive(t, again, "b")
}

func TestProxyBlackhole(t *testing.T) {
	p := pgtest.NewProxy(t, echo(t))
	before := dial(t, p)
	send(t, before, "a")
	receive(t, before, "a")

	p.Blackhole(true)
	p.Blackhole(true) // calling it twice has no further effect
	during := dial(t, p)
	for _, conn := range []net.Conn{before, during} {
		send(t, conn, "lost?")
		if err := receiveError(t, conn, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read in the black hole: %v, want silence", err)
		}
	}
	p.Blackhole(false)
	p.Blackhole(false)
	receive(t, before, "lost?")
	receive(t, during, "lost?")

	p.Blackhole(true)
	p.Cut()
	if err := receiveError(t, before, time.Minute); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after a cut in the black hole: %v, want a reset", err)
	}
}

func TestProxyRefuse(t *testing.T) {
	p := pgtest.NewProxy(t, echo(t))
	open := dial(t, p)
	send(t, open, "a")
	receive(t, open, "a")
	p.Refuse(true)
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil { // the reset may come before or after the connection is made
		err = receiveError(t, conn, time.Minute)
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a refused connection ends with %v, want a reset", err)
	}
	send(t, open, "b")
	receive(t, open, "b")
	p.Refuse(false)
	again := dial(t, p)
	send(t, again, "c")
	receive(t, again, "c")
}

func TestProxyDelay(t *testing.T) {
	p := pgtest.NewProxy(t, echo(t))
	const delay = 30 * time.Millisecond
	p.Delay(delay)
	conn := dial(t, p)
	start := time.Now()
	send(t, conn, "a")
	receive(t, conn, "a")
	if took := time.Since(start); took < 2*delay {
		t.Errorf("the round trip took %v, want at least %v", took, 2*delay)
	}
}

func TestProxyWithoutServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	conn := dial(t, pgtest.NewProxy(t, listener.Addr().String()))
	if err := receiveError(t, conn, time.Minute); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open without a server behind the proxy")
	}
}

func TestProxyInFrontOfPostgres(t *testing.T) {
	c := pgtest.NewCluster(t)
	p := pgtest.NewProxy(t, c.Addr())
	databaseURL := p.URL(c.NewDatabase(t))
	conn := pgtest.Connect(t, databaseURL)
	pgtest.Exec(t, conn, "insert into things values (1)")

	p.Blackhole(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := conn.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ping in the black hole: %v", err)
	}
	p.Blackhole(false)

	conn = pgtest.Connect(t, databaseURL)
	p.Cut()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the connection outlived the cut")
	}
	p.Refuse(true)
	if conn, err := pgx.Connect(t.Context(), databaseURL); err == nil {
		t.Error("connected although refused", conn.Close(t.Context()))
	}
}

// A reply that is cut off arrives in part, and the next connection is whole.
func TestProxyCutsAfterBytes(t *testing.T) {
	p := pgtest.NewProxy(t, echo(t))
	conn, other := dial(t, p), dial(t, p)
	send(t, other, "x")
	if _, err := io.ReadFull(other, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.CutAfter(5)
	send(t, conn, "12345678")
	if got, err := io.ReadAll(conn); string(got) != "12345" {
		t.Errorf("received %q, %v", got, err)
	}
	if got, err := io.ReadAll(other); len(got) > 0 || err == nil {
		t.Errorf("another connection received %q, %v", got, err)
	}
	whole := dial(t, p)
	send(t, whole, "12345678")
	if err := whole.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(whole); err != nil || string(got) != "12345678" {
		t.Errorf("received %q, %v", got, err)
	}
}

// What comes after the given number of bytes waits for the end of the black hole, on every connection.
func TestProxyBlackholeAfterBytes(t *testing.T) {
	p := pgtest.NewProxy(t, echo(t))
	conn, other := dial(t, p), dial(t, p)
	send(t, other, "x")
	receive(t, other, "x")
	p.BlackholeAfter(5)
	send(t, conn, "1234")
	receive(t, conn, "1234")
	if p.IsBlackhole() {
		t.Error("the black hole begins too early")
	}
	send(t, conn, "5")
	if err := receiveError(t, conn, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) || !p.IsBlackhole() {
		t.Errorf("read in the black hole: %v, want silence", err)
	}
	send(t, other, "y")
	if err := receiveError(t, other, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("another connection in the black hole: %v, want silence", err)
	}
	p.Blackhole(false)
	receive(t, conn, "5")
	receive(t, other, "y")
}

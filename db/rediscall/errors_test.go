package rediscall_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/pgherald/pgherald/db/rediscall"
	"github.com/pgherald/pgherald/db/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answering returns the error of a server that answers each command with the same line.
func answering(t *testing.T, line string) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for in := bufio.NewReader(conn); err == nil; {
				var text string
				if text, err = in.ReadString('\n'); strings.HasPrefix(text, "*") {
					_, _ = io.WriteString(conn, line+"\r\n")
				}
			}
			conn.Close()
		}
	}()
	client := redis.NewClient(&redis.Options{Addr: l.Addr().String(), MaxRetries: -1, DialerRetries: 1})
	err = rediscall.Explain("ask", client.Set(t.Context(), "k", "v", 0).Err())
	client.Close()
	l.Close()
	<-ended
	return err
}

func TestOutages(t *testing.T) {
	for line, want := range map[string]bool{
		"-LOADING Redis is loading the dataset in memory":                                     true,
		"-READONLY You can't write against a read only replica.":                              true,
		"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":   true,
		"-CLUSTERDOWN The cluster is down":                                                    true,
		"-TRYAGAIN Multiple keys request during rehashing of slot":                            true,
		"-ERR max number of clients reached":                                                  true,
		"-ERR max number of clients + cluster connections reached":                            true,
		"-OOM command not allowed when used memory > 'maxmemory'.":                            true,
		"-BUSY Redis is busy running a script.":                                               true,
		"-MISCONF Redis is configured to save RDB snapshots, but it is currently not able to": true,
		"-WRONGPASS invalid username-password pair or user is disabled.":                      false,
		"-NOAUTH Authentication required.":                                                    false,
		"-NOPERM this user has no permissions to run the 'set' command":                       false,
		"-WRONGTYPE Operation against a key holding the wrong kind of value":                  false,
	} {
		err := answering(t, line)
		if rediscall.IsOutage(err) != want {
			t.Errorf("%s: %v is an outage: %t, want %t", line, err, !want, want)
		}
	}
	absent := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer absent.Close()
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":           {nil, false},
		"refused":           {absent.Ping(t.Context()).Err(), true},
		"no answer":         {fmt.Errorf("x: %w", context.DeadlineExceeded), true},
		"ended":             {context.Canceled, false},
		"broken":            {io.EOF, true},
		"pool":              {redis.ErrPoolTimeout, true},
		"closed":            {redis.ErrClosed, false},
		"alert of TLS":      {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, false},
		"a bad certificate": {&tls.CertificateVerificationError{Err: errors.New("unknown authority")}, false},
		"no Sentinel":       {errors.New("redis: all sentinels specified in configuration are unreachable: x"), true},
		"another program":   {errors.New("the script returned something else"), false},
	} {
		if got := rediscall.IsOutage(test.err); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

// TestPublicNamesNoHost checks what clients learn.
func TestPublicNamesNoHost(t *testing.T) {
	refused := &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7)}, Err: errors.New("connection refused")}
	for want, err := range map[string]error{
		"the store of the edges answers MOVED":           answering(t, "-MOVED 1 10.0.0.7:6379"),
		"the store of the edges cannot be reached":       rediscall.Explain("ask", refused),
		"the store of the edges does not answer in time": rediscall.Explain("ask", context.DeadlineExceeded),
		"the store of the edges holds something else":    rediscall.Explain("ask", errors.New("10.0.0.7")),
		"no relay has written them yet":                  rediscall.NoRelay("no relay has written them yet"),
	} {
		public, ok := err.(interface{ Public() string })
		if !ok || public.Public() != want {
			t.Errorf("%v: want %q", err, want)
		}
	}
}

// TestReader checks that a script which only reads needs no right to write.
func TestReader(t *testing.T) {
	client := redistest.Start(t).Client()
	get := redis.NewScript(`return redis.call('get', KEYS[1]) or 'nothing'`)
	if err := client.Do(t.Context(), "acl", "setuser", "edge", "on", "nopass", "%R~k", "+eval_ro", "+evalsha_ro", "+get", "+@connection").Err(); err != nil {
		t.Fatal(err)
	}
	edge := redis.NewClient(&redis.Options{Addr: client.Options().Addr, Username: "edge", Password: "x"})
	defer edge.Close()
	for range 2 {
		if text, err := rediscall.NewReader(edge).Run(t.Context(), get, []string{"k"}).Text(); text != "nothing" || err != nil {
			t.Errorf("read %q, %v", text, err)
		}
	}
	if err := client.LPush(t.Context(), "k", "v").Err(); err != nil {
		t.Fatal(err)
	}
	if err := rediscall.Explain("read", rediscall.NewReader(edge).Run(t.Context(), get, []string{"k"}).Err()); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("read a list, %v", err)
	}
	err := rediscall.Explain("write", edge.Set(t.Context(), "k", "v", 0).Err())
	if err == nil || !strings.Contains(err.Error(), "docs/edges.md") {
		t.Errorf("wrote, %v", err)
	}
}

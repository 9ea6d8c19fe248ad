package api_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/stream"
)

// slowList is a list whose reads wait until they are let go, as for a connection or a lock.
type slowList struct{ began, letGo chan struct{} }

func newSlowList() slowList { return slowList{make(chan struct{}, 10), make(chan struct{})} }

func (l slowList) Online(context.Context) (map[string]time.Time, stream.Cursor, error) {
	l.began <- struct{}{}
	<-l.letGo
	return map[string]time.Time{"late": time.Now()}, stream.Cursor{}, nil
}

// begins waits until the read of a connection's request has begun. It returns false if the request was refused instead.
func (l slowList) begins(s *streamServer, conn net.Conn) bool {
	s.Helper()
	for {
		select {
		case <-l.began:
			_ = conn.SetReadDeadline(time.Time{})
			return true
		default:
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := conn.Read(make([]byte, 1)); n > 0 {
			return false
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			s.Fatalf("the connection ended before the read began: %v", err)
		}
	}
}

// A read that waits until the token of its client has ended yields nothing of after the end.
func TestAbuseReadThatOutlastsTheToken(t *testing.T) {
	t.Parallel()
	withShortTokens(t, readThatOutlastsItsToken)
}

func readThatOutlastsItsToken(t *testing.T, newToken func() string) bool {
	list := newSlowList()
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.add(api.Auth{Authenticator: newJWT(t)}, api.Presence{List: list})
	}})
	short := newToken()
	conn := s.dial("GET /api/presence HTTP/1.1\r\nHost: pgherald\r\nAuthorization: Bearer " + short + "\r\nConnection: close\r\n\r\n")
	if !list.begins(s, conn) {
		return false
	}
	s.awaitEnd(bearer(short))
	close(list.letGo)
	response, err := io.ReadAll(conn)
	if text := string(response); err != nil || !strings.HasPrefix(text, "HTTP/1.1 401 ") || strings.Contains(text, "late") ||
		!strings.Contains(text, `"code":"token_expired"`) || strings.Contains(text, "Pgherald-Cursor") {
		t.Errorf("response %s, %v", text, err)
	}
	return true
}

// A request that waits for earlier ones of its client until the token has ended does nothing.
func TestAbuseRequestThatOutlastsTheTokenInLine(t *testing.T) {
	t.Parallel()
	withShortTokens(t, requestThatOutlastsItsTokenInLine)
}

func requestThatOutlastsItsTokenInLine(t *testing.T, newToken func() string) bool {
	list := newSlowList()
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.Requests = admission.NewRequests(admission.RequestOptions{PerClient: 1, Wait: waitLimit})
		o.add(api.Auth{Authenticator: newJWT(t)}, api.Routes{{
			Path: "/api/slow", Methods: []string{http.MethodDelete}, Access: api.AnyIdentity(), Kind: admission.KindWrite,
			Handle: func(_ http.ResponseWriter, r *http.Request, _ auth.Identity) { _, _, _ = list.Online(r.Context()) },
		}})
	}})
	short := newToken()
	request := "DELETE /api/slow HTTP/1.1\r\nHost: pgherald\r\nAuthorization: Bearer " + short + "\r\nConnection: close\r\n\r\n"
	first := s.dial(request)
	if !list.begins(s, first) {
		return false
	}
	second := s.dial(request)
	s.awaitEnd(bearer(short))
	close(list.letGo)
	for conn, want := range map[net.Conn]string{first: "HTTP/1.1 200 ", second: "HTTP/1.1 401 "} {
		if response, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(response), want) {
			t.Errorf("response %s, %v, want %s", response, err, want)
		}
	}
	if n := len(list.began); n != 0 {
		t.Errorf("%d more requests were served", n)
	}
	return true
}

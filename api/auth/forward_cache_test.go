package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgherald/pgherald/api/auth"
)

// byCookie answers with the user whose name is the cookie.
func byCookie(header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		said(fmt.Sprintf(`{"sub":%q}`, strings.TrimPrefix(r.Header.Get("Cookie"), "s=")), header...)(w, r)
	}
}

// expectUser authenticates a session and checks its user.
func expectUser(t *testing.T, f *auth.Forward, cookie, user string) {
	t.Helper()
	if id, err := f.Authenticate(session(cookie)); err != nil || id.User != user {
		t.Errorf("%s: %+v, %v; want %s", cookie, id, err, user)
	}
}

// An answer holds for its credentials, and for as long as it says.
func TestForwardRemembers(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		after  time.Duration // of the second request
		asks   int
	}{
		"within the time": {"max-age=60", 59 * time.Second, 1},
		"after the time":  {"max-age=60", 60 * time.Second, 2},
		"nothing said":    {"", 0, 2},
		"not stored":      {"no-store, max-age=60", 0, 2},
		"no number":       {"max-age=many", 0, 2},
		"a quoted number": {`private, Max-Age="60"`, 59 * time.Second, 1},
		"an hour at most": {"max-age=999999", time.Hour, 2},
	} {
		a := newApplication(t, byCookie("Cache-Control", c.header))
		f := a.forward(t)
		expectUser(t, f, "s=alice", "alice")
		a.pass(c.after)
		expectUser(t, f, "s=alice", "alice")
		if got := len(a.requests()); got != c.asks {
			t.Errorf("%s: the application received %d requests, want %d", name, got, c.asks)
		}
		expectUser(t, f, "s=bob", "bob")
	}
}

// An answer that depends on the request is for that request.
func TestForwardAnswersThatVary(t *testing.T) {
	for _, vary := range []string{"X-Forwarded-Uri", "*", "Cookie, x-forwarded-method"} {
		a := newApplication(t, byCookie("Cache-Control", "max-age=60", "Vary", vary))
		f := a.forward(t)
		expectUser(t, f, "s=alice", "alice")
		expectUser(t, f, "s=alice", "alice")
		if got := len(a.requests()); got != 2 {
			t.Errorf("%s: the application received %d requests, want 2", vary, got)
		}
	}
}

// The hash of credentials covers which header has which value.
func TestAbuseCredentialsInAnotherHeader(t *testing.T) {
	a := newApplication(t, func(w http.ResponseWriter, r *http.Request) {
		said(fmt.Sprintf(`{"sub":"%s|%s"}`, r.Header.Get("X-A"), r.Header.Get("X-B")), "Cache-Control", "max-age=60")(w, r)
	})
	f := a.forward(t, func(o *auth.ForwardOptions) { o.Headers = []string{"x-a", "x-b"} })
	for want, header := range map[string][]string{"ab|": {"X-A", "ab"}, "|ab": {"X-B", "ab"}, "a|b": {"X-A", "a", "X-B", "b"}} {
		if id, err := f.Authenticate(request("GET", "/", header...)); err != nil || id.User != want {
			t.Errorf("%q: %+v, %v", want, id, err)
		}
	}
}

// A refusal holds for seconds at most: the user may log in.
func TestForwardRemembersRefusals(t *testing.T) {
	a := newApplication(t, reply(401, "", "Cache-Control", "max-age=600"))
	f := a.forward(t)
	for range 3 {
		if _, err := f.Authenticate(session("s=1")); codeOf(t, err) != "session_required" {
			t.Error(err)
		}
	}
	a.pass(10 * time.Second)
	a.answer = byCookie()
	expectUser(t, f, "s=alice", "alice")
	if _, err := f.Authenticate(session("s=1")); err != nil {
		t.Error(err)
	}
	if got := len(a.requests()); got != 3 {
		t.Errorf("the application received %d requests, want 3", got)
	}
}

// Refresh and Forget do not trust what is remembered.
func TestForwardRefreshes(t *testing.T) {
	a := newApplication(t, byCookie("Cache-Control", "max-age=60"))
	f := a.forward(t)
	expectUser(t, f, "s=alice", "alice")
	expectUser(t, f, "s=bob", "bob")
	a.pass(time.Second)
	if id, err := f.Refresh(session("s=alice")); err != nil || !id.Expires.Equal(now.Add(61*time.Second)) {
		t.Errorf("refreshed: %+v, %v", id, err)
	}
	f.Forget(func(id auth.Identity) bool { return id.User == "bob" })
	expectUser(t, f, "s=alice", "alice")
	if got := len(a.requests()); got != 3 {
		t.Errorf("the application received %d requests before the forgotten one, want 3", got)
	}
	expectUser(t, f, "s=bob", "bob")
	if got := len(a.requests()); got != 4 {
		t.Errorf("the application received %d requests, want 4", got)
	}
}

// Requests with the same credentials share one question. One that gives up does not take the answer from the others.
func TestForwardSharesQuestions(t *testing.T) {
	entered, release := make(chan struct{}, 100), make(chan struct{})
	a := newApplication(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-release
		byCookie()(w, r)
	})
	f := a.forward(t)
	ctx, leave := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _, _ = f.Authenticate(session("s=alice").WithContext(ctx)) })
	<-entered
	for range 20 {
		running.Go(func() { expectUser(t, f, "s=alice", "alice") })
	}
	impatient, giveUp := context.WithCancel(context.Background())
	giveUp()
	if _, err := f.Authenticate(session("s=alice").WithContext(impatient)); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that gave up: %v", err)
	}
	leave()
	close(release)
	running.Wait()
	if got := len(a.requests()); got > 21 {
		t.Errorf("the application received %d requests", got)
	}
}

// While the application refuses connections, requests fail at once, and what is remembered holds.
func TestForwardOutage(t *testing.T) {
	a := newApplication(t, byCookie("Cache-Control", "max-age=60"))
	f := a.forward(t)
	expectUser(t, f, "s=alice", "alice")
	a.Close()
	for range 10 {
		_, err := f.Authenticate(session("s=bob"))
		if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != "auth_unavailable" || e.Status != 503 || e.RetryAfter < time.Second {
			t.Errorf("%v", err)
		}
	}
	expectUser(t, f, "s=alice", "alice")
	a.pass(time.Minute)
	if _, err := f.Authenticate(session("s=alice")); codeOf(t, err) != "auth_unavailable" {
		t.Errorf("after its time, without the application: %v", err)
	}
	if got := a.outcomes[auth.OutcomeUnavailable]; got != 11 {
		t.Errorf("counted %d requests without an answer, want 11", got)
	}
}

// An application that does not answer holds up requests for their time, and no others than those that wait for it.
func TestForwardTimeout(t *testing.T) {
	release := make(chan struct{})
	a := newApplication(t, func(http.ResponseWriter, *http.Request) { <-release })
	f := a.forward(t, func(o *auth.ForwardOptions) { o.Timeout = 10 * time.Millisecond })
	var running sync.WaitGroup
	for i := range 200 {
		running.Go(func() {
			if _, err := f.Authenticate(session(fmt.Sprintf("s=%d", i))); codeOf(t, err) != "auth_unavailable" {
				t.Errorf("%v", err)
			}
		})
	}
	running.Wait()
	close(release)
}

// The time that an answer spent in a cache is a part of the time for which it holds.
func TestForwardAnswersOfACache(t *testing.T) {
	for age, c := range map[string]struct {
		after time.Duration // of the second request
		asks  int
	}{
		"0": {59 * time.Second, 1}, "50": {9 * time.Second, 1}, "51": {9 * time.Second, 2}, "60": {0, 2}, "99999999999999999999": {0, 2},
	} {
		a := newApplication(t, byCookie("Cache-Control", "max-age=60", "Age", age))
		f := a.forward(t)
		expectUser(t, f, "s=alice", "alice")
		a.pass(c.after)
		expectUser(t, f, "s=alice", "alice")
		if got := len(a.requests()); got != c.asks {
			t.Errorf("age %s: the application received %d requests, want %d", age, got, c.asks)
		}
	}
}

// What clients can cause with each request costs a line of the log a minute at most.
func TestAbuseLogOfTheApplicationsFaults(t *testing.T) {
	var out bytes.Buffer
	a := newApplication(t, reply(500, ""))
	f := a.forward(t, func(o *auth.ForwardOptions) { o.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	fail := func(times int) {
		for i := range times {
			_, err := f.Authenticate(session(fmt.Sprintf("s=%d", i)))
			if e, ok := errors.AsType[*auth.Error](err); !ok || !e.IsExpected {
				t.Errorf("the request costs a line of its own: %v", err)
			}
		}
	}
	fail(5)
	a.pass(time.Minute)
	fail(1)
	if lines := strings.Count(out.String(), "\n"); lines != 2 || !strings.Contains(out.String(), "others=0") || !strings.Contains(out.String(), "others=4") {
		t.Errorf("%d lines, want 2: %s", lines, out.String())
	}
	_, err := f.Authenticate(request(http.MethodGet, "/", "Pgherald-Identify", "1"))
	if e, ok := errors.AsType[*auth.Error](err); !ok || !e.IsExpected {
		t.Errorf("a loop, which each client can claim, costs a line: %v", err)
	}
}

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api/auth"
)

// application is a server that answers who has a session, and records what it receives.
type application struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request)

	mu       sync.Mutex
	received []*http.Request
	clock    time.Time
	outcomes map[auth.ForwardOutcome]int
}

func newApplication(t *testing.T, answer func(http.ResponseWriter, *http.Request)) *application {
	t.Helper()
	a := &application{answer: answer, clock: now, outcomes: make(map[auth.ForwardOutcome]int)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.received = append(a.received, r.Clone(context.Background()))
		a.mu.Unlock()
		a.answer(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

// Forwarded counts an outcome.
func (a *application) Forwarded(outcome auth.ForwardOutcome, _ time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outcomes[outcome]++
}

func (a *application) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.clock
}

func (a *application) pass(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clock = a.clock.Add(d)
}

func (a *application) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request(nil), a.received...)
}

// forward returns an authenticator that asks the application.
func (a *application) forward(t *testing.T, change ...func(*auth.ForwardOptions)) *auth.Forward {
	t.Helper()
	o := auth.ForwardOptions{URL: a.URL + "/session", Now: a.now, Meter: a}
	for _, c := range change {
		c(&o)
	}
	f, err := auth.NewForward(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return f
}

// reply answers with a status, headers as names and values in turns, and a body.
func reply(status int, body string, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// said returns an answer in JSON.
func said(body string, header ...string) func(http.ResponseWriter, *http.Request) {
	return reply(http.StatusOK, body, append(header, "Content-Type", "application/json")...)
}

// session is a request from a page of the server's own origin.
func session(cookie string) *http.Request {
	return request(http.MethodGet, "/api/events?types=a&ticket=sesame", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
}

func TestForwardIdentity(t *testing.T) {
	groups := reply(200, "<html>", "Remote-User", "alice", "Remote-Groups", "nurse, operator,", "Content-Type", "text/html")
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		change func(*auth.ForwardOptions)
		want   auth.Identity
	}{
		"a user": {said(`{"sub":"alice"}`), nil, auth.Identity{User: "alice", Grants: []string{"user:alice"}, Expires: now.Add(5 * time.Minute), IssuedAt: now}},
		"all of it": {said(`{"sub":"alice","roles":["nurse"],"jti":"s1","iat":1763990000,"exp":1764000030}`, "Cache-Control", "private, max-age=60"), nil,
			auth.Identity{User: "alice", Roles: []string{"nurse"}, Grants: []string{"role:nurse", "user:alice"}, TokenID: "s1",
				IssuedAt: time.Unix(1763990000, 0), Expires: now.Add(30 * time.Second)}},
		"claims of other names": {said(`{"sub":"alice","a":{"r":"x y"},"g":["team:1"]}`, "Cache-Control", "max-age=20"),
			func(o *auth.ForwardOptions) { o.RolesClaim, o.GrantsClaim = "a.r", "g" },
			auth.Identity{User: "alice", Roles: []string{"x", "y"}, Grants: []string{"team:1"}, IssuedAt: now, Expires: now.Add(20 * time.Second)}},
		"headers of a proxy": {groups, nil, auth.Identity{User: "alice", Roles: []string{"nurse", "operator"},
			Grants: []string{"role:nurse", "role:operator", "user:alice"}, IssuedAt: now, Expires: now.Add(5 * time.Minute)}},
		"a short time": {said(`{"sub":"alice"}`, "Cache-Control", "max-age=1"), nil,
			auth.Identity{User: "alice", Grants: []string{"user:alice"}, IssuedAt: now, Expires: now.Add(10 * time.Second)}},
		"a long time": {said(`{"sub":"alice"}`, "Cache-Control", "max-age=99999999"), nil,
			auth.Identity{User: "alice", Grants: []string{"user:alice"}, IssuedAt: now, Expires: now.Add(time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApplication(t, c.answer)
			change := c.change
			if change == nil {
				change = func(*auth.ForwardOptions) {}
			}
			id, err := a.forward(t, change).Authenticate(session("s=1"))
			if diff := cmp.Diff(c.want, id); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// The application receives the named headers and what the request is about, and nothing else of the client.
func TestForwardRequest(t *testing.T) {
	a := newApplication(t, said(`{"sub":"alice"}`))
	r := session("s=1; t=2")
	for name, value := range map[string]string{
		"Authorization": "Bearer x", "X-Forwarded-Uri": "/admin", "X-Forwarded-Method": "DELETE", "X-Forwarded-For": "10.0.0.1",
		"X-Tenant": "acme", "User-Agent": "Mozilla", "Accept": "text/event-stream",
	} {
		r.Header.Set(name, value)
	}
	f := a.forward(t, func(o *auth.ForwardOptions) { o.Headers = []string{"cookie", "x-tenant"} })
	if _, err := f.Authenticate(r); err != nil {
		t.Fatal(err)
	}
	got := a.requests()[0]
	want := http.Header{
		"Cookie": {"s=1; t=2"}, "X-Tenant": {"acme"}, "Accept": {"application/json"}, "User-Agent": {"pgherald"}, "Pgherald-Identify": {"1"},
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/api/events?types=a"}, "X-Forwarded-Host": {"example.com"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" || got.Method != http.MethodGet || got.URL.Path != "/session" {
		t.Errorf("%s %s (-want +got):\n%s", got.Method, got.URL, diff)
	}
}

// What the application answers decides, and every answer that says nothing about a user refuses the request.
func TestForwardRefusals(t *testing.T) {
	deep := strings.Repeat("[", 10_000)
	for name, c := range map[string]struct {
		answer      func(http.ResponseWriter, *http.Request)
		code        string
		application string
	}{
		"no session":              {reply(401, "log in", "Content-Type", "text/plain"), "session_required", ""},
		"no right":                {reply(403, `{"why":"unpaid"}`, "Content-Type", "application/json"), "session_refused", `{"why":"unpaid"}`},
		"a large refusal":         {reply(401, `"`+strings.Repeat("x", 5000)+`"`, "Content-Type", "application/json"), "session_required", ""},
		"a refusal that is none":  {reply(401, `{"why":`, "Content-Type", "application/json"), "session_required", ""},
		"a page as refusal":       {reply(401, `<script>`, "Content-Type", "text/html"), "session_required", ""},
		"a page":                  {reply(200, `<html>`, "Content-Type", "text/html"), "auth_unavailable", ""},
		"nothing":                 {reply(204, ``), "auth_unavailable", ""},
		"an error":                {reply(500, `{"sub":"alice"}`, "Content-Type", "application/json"), "auth_unavailable", ""},
		"not there":               {reply(404, `{"sub":"alice"}`, "Content-Type", "application/json"), "auth_unavailable", ""},
		"a redirect":              {reply(302, `{"sub":"alice"}`, "Location", "/login", "Content-Type", "application/json"), "auth_unavailable", ""},
		"no object":               {said(`["alice"]`), "auth_unavailable", ""},
		"no user":                 {said(`{}`), "auth_unavailable", ""},
		"an empty user":           {said(`{"sub":""}`), "auth_unavailable", ""},
		"a number as user":        {said(`{"sub":7}`), "auth_unavailable", ""},
		"a user with a zero byte": {said(`{"sub":"a\u0000"}`), "auth_unavailable", ""},
		"a long user":             {said(`{"sub":"` + long(256) + `"}`), "auth_unavailable", ""},
		"two users":               {said(`{"sub":"alice","sub":"bob"}`), "auth_unavailable", ""},
		"roles of no kind":        {said(`{"sub":"alice","roles":{"a":1}}`), "auth_unavailable", ""},
		"a time of no kind":       {said(`{"sub":"alice","exp":"soon"}`), "auth_unavailable", ""},
		"an absurd time":          {said(`{"sub":"alice","exp":1e308}`), "auth_unavailable", ""},
		"ended":                   {said(`{"sub":"alice","exp":1}`), "token_expired", ""},
		"a huge body":             {said(`{"sub":"alice","x":"` + long(70_000) + `"}`), "auth_unavailable", ""},
		"a deep body":             {said(deep), "auth_unavailable", ""},
		"a user of two lines":     {reply(200, "", "Remote-User", long(300)), "auth_unavailable", ""},
		"huge headers":            {reply(200, `{"sub":"alice"}`, "X-Large", long(100_000), "Content-Type", "application/json"), "auth_unavailable", ""},
		"a broken body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"sub":"alice"}`)
		}, "auth_unavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := newApplication(t, c.answer).forward(t).Authenticate(session("sesame=1"))
			if code := codeOf(t, err); code != c.code || id.User != "" || strings.Contains(fmt.Sprint(err), "sesame") {
				t.Errorf("code %q, want %q: %+v, %v", code, c.code, id, err)
			}
			e, _ := errors.AsType[*auth.Error](err)
			if string(e.Application) != c.application {
				t.Errorf("of the application's body the client gets %s, want %s", e.Application, c.application)
			}
		})
	}
}

// A redirect would send the credentials to another host.
func TestAbuseRedirectOfTheApplication(t *testing.T) {
	other := newApplication(t, said(`{"sub":"mallory"}`))
	a := newApplication(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if _, err := a.forward(t).Authenticate(session("s=1")); codeOf(t, err) != "auth_unavailable" || len(other.requests()) != 0 {
		t.Errorf("%v; the other host received %d requests", err, len(other.requests()))
	}
}

// A certificate that is not trusted is no application.
func TestAbuseApplicationWithAnotherCertificate(t *testing.T) {
	a := newApplication(t, said(`{"sub":"mallory"}`))
	server := httptest.NewUnstartedServer(a.Config.Handler)
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	f := a.forward(t, func(o *auth.ForwardOptions) { o.URL = server.URL })
	if _, err := f.Authenticate(session("s=1")); codeOf(t, err) != "auth_unavailable" || len(a.requests()) != 0 {
		t.Errorf("%v after %d requests", err, len(a.requests()))
	}
}

// A browser sends cookies, and names and passwords that it knows, with the requests of any page.
func TestAbuseSessionFromAnotherOrigin(t *testing.T) {
	a := newApplication(t, said(`{"sub":"alice"}`))
	f := a.forward(t, func(o *auth.ForwardOptions) { o.Origins = []string{"https://partner.example"} })
	for name, c := range map[string]struct {
		method, code string
		header       []string
	}{
		"own page":             {"POST", "", []string{"Cookie", "s=1", "Sec-Fetch-Site", "same-origin"}},
		"another page":         {"GET", "origin", []string{"Cookie", "s=1", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}},
		"of the same site":     {"GET", "origin", []string{"Cookie", "s=1", "Sec-Fetch-Site", "same-site"}},
		"a listed page":        {"POST", "", []string{"Cookie", "s=1", "Sec-Fetch-Site", "cross-site", "Origin", "https://partner.example"}},
		"an old browser reads": {"GET", "", []string{"Cookie", "s=1"}},
		"an old browser posts": {"POST", "origin", []string{"Cookie", "s=1"}},
		"with a password":      {"POST", "origin", []string{"Authorization", "Basic YTpi"}},
		"with a token":         {"POST", "", []string{"Authorization", "Bearer x", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}},
		"with both":            {"POST", "origin", []string{"Authorization", "Bearer x", "Cookie", "s=1", "Origin", "https://evil.example"}},
	} {
		before := len(a.requests())
		_, err := f.Authenticate(request(c.method, "/api/events", c.header...))
		if got := codeOf(t, err); got != c.code || c.code != "" && len(a.requests()) != before {
			t.Errorf("%s: code %q, want %q", name, got, c.code)
		}
	}
}

// What a client sends is bounded before the application receives it.
func TestForwardQuestions(t *testing.T) {
	a := newApplication(t, said(`{"sub":"alice"}`))
	f := a.forward(t)
	for name, c := range map[string]struct {
		code string
		r    *http.Request
	}{
		"no credentials": {"", request("GET", "/")},
		"a huge cookie":  {"token_too_large", session(long(17_000))},
		"two tokens":     {"token_malformed", request("GET", "/", "Authorization", "Bearer a", "Authorization", "Bearer b")},
		"two cookies":    {"", request("GET", "/", "Cookie", "a=1", "Cookie", "b=2")},
		"a token in URL": {"token_in_url", request("GET", "/?access_token=x")},
		"a long URL":     {"uri_too_long", request("GET", "/?where="+long(9000))},
		"a long ticket":  {"", request("GET", "/?ticket="+long(9000))},
		"a loop":         {"auth_loop", request("GET", "/", "Pgherald-Identify", "1")},
	} {
		before := len(a.requests())
		_, err := f.Authenticate(c.r)
		if got := codeOf(t, err); got != c.code || c.code != "" && len(a.requests()) != before {
			t.Errorf("%s: code %q, want %q", name, got, c.code)
		}
	}
	if got := a.requests()[1:]; len(got) == 0 {
		t.Error("the application received too little")
	}
}

func TestForwardOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o  auth.ForwardOptions
		ok bool
	}{
		"https":             {auth.ForwardOptions{URL: "https://app.example/session"}, true},
		"this host":         {auth.ForwardOptions{URL: "http://127.0.0.1:3000/session"}, true},
		"http":              {auth.ForwardOptions{URL: "http://app.example/session"}, false},
		"http, permitted":   {auth.ForwardOptions{URL: "http://app:3000/session", AllowHTTP: true}, true},
		"no URL":            {auth.ForwardOptions{}, false},
		"a path":            {auth.ForwardOptions{URL: "/session"}, false},
		"another scheme":    {auth.ForwardOptions{URL: "unix:///session", AllowHTTP: true}, false},
		"a password":        {auth.ForwardOptions{URL: "https://u:p@app.example/session"}, false},
		"a header":          {auth.ForwardOptions{URL: "https://app.example/", Headers: []string{"x-session"}}, true},
		"a header of ours":  {auth.ForwardOptions{URL: "https://app.example/", Headers: []string{"x-forwarded-uri"}}, false},
		"the host":          {auth.ForwardOptions{URL: "https://app.example/", Headers: []string{"host"}}, false},
		"no header at all":  {auth.ForwardOptions{URL: "https://app.example/", Headers: []string{""}}, false},
		"a header and more": {auth.ForwardOptions{URL: "https://app.example/", Headers: []string{"a: b"}}, false},
	} {
		if _, err := auth.NewForward(c.o); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

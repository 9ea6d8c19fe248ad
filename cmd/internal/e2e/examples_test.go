package e2e

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestExamples runs the program with each application of deploy/examples.
func TestExamples(t *testing.T) {
	t.Parallel()
	binary := buildProgram(t)
	t.Run("go", func(t *testing.T) { testGoExample(t, binary) })
	t.Run("nextjs", func(t *testing.T) { testNextExample(t, binary) })
}

// late is a server whose URL is known before the application behind it runs.
type late struct {
	*httptest.Server
	target atomic.Pointer[url.URL]
}

func newLate(t *testing.T) *late {
	l := new(late)
	l.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(l.target.Load()) },
	})
	t.Cleanup(l.Close)
	return l
}

func (l *late) use(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l.target.Store(u)
}

// visit sends a request as a page of the server's own origin does, until the answer is not "come again".
func visit(t *testing.T, method, target, cookie, form string) *http.Response {
	t.Helper()
	ctx := testContext(t)
	client := newHTTPClient(t)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := askFrom(ctx, client, func() *http.Request {
		r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		if form != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return r
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// sessionOf returns the cookie of a login.
func sessionOf(t *testing.T, response *http.Response) string {
	t.Helper()
	if len(response.Cookies()) != 1 {
		t.Fatalf("login: %s, cookies %v", response.Status, response.Cookies())
	}
	return response.Cookies()[0].Name + "=" + response.Cookies()[0].Value
}

// readUntil reads lines of a stream until one has a text, or to the end for "".
func readUntil(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	var seen []string
	for lines.Scan() {
		seen = append(seen, lines.Text())
		if text != "" && strings.Contains(lines.Text(), text) {
			return
		}
	}
	if text != "" {
		t.Fatalf("the stream ended before %q with %v: %s", text, lines.Err(), strings.Join(seen, "\n"))
	}
}

const newActivity = `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'here', 'r')`

// testGoExample logs in, follows the stream through the application, and logs out: that ends the stream, and the session
// opens no other one.
func testGoExample(t *testing.T, binary string) {
	front := newLate(t)
	databaseURL := pgtest.NewDatabase(t)
	_, at := serveProgram(t, binary, databaseURL, "--auth=forward", "--auth-url="+front.URL+"/session", "--operator-role=operator")
	example := filepath.Join(t.TempDir(), "example")
	if out, err := exec.Command("go", "build", "-o", example, "github.com/pgherald/pgherald/deploy/examples/go").CombinedOutput(); err != nil {
		t.Fatalf("build the example: %v\n%s", err, out)
	}
	app := startProgram(t, example, "-addr=127.0.0.1:0", "-pgherald="+at).awaitLog(t, "listening", "url")
	front.use(t, app)
	if response := visit(t, "GET", app+"/api/events", "", ""); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stream without a session: %s", response.Status)
	}
	alice := sessionOf(t, visit(t, "POST", app+"/login", "", "user=alice"))
	bob := sessionOf(t, visit(t, "POST", app+"/login", "", "user=bob"))
	stream := bufio.NewScanner(visit(t, "GET", app+"/api/events", alice, "").Body)
	other := bufio.NewScanner(visit(t, "GET", app+"/api/events", bob, "").Body)
	for _, lines := range []*bufio.Scanner{stream, other} {
		readUntil(t, lines, `"sync"`)
	}
	pgtest.Exec(t, pgtest.Connect(t, databaseURL), newActivity)
	readUntil(t, stream, "activity_created")
	if response := visit(t, "POST", app+"/logout", alice, ""); response.StatusCode != http.StatusSeeOther {
		t.Errorf("logout: %s", response.Status)
	}
	readUntil(t, stream, `{"mode":"expired"}`)
	readUntil(t, stream, "")
	if response := visit(t, "GET", app+"/api/events", alice, ""); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stream of a session that has ended: %s", response.Status)
	}
	readUntil(t, other, "activity_created")
}

// testNextExample serves the route handler with Node alone.
func testNextExample(t *testing.T, binary string) {
	app := startProgram(t, "/usr/bin/env", "SESSION_SECRET=a secret of more than 32 bytes, for tests", nodeProgram(t),
		"../../../deploy/examples/nextjs/serve.mjs").awaitLog(t, "listening", "url")
	_, at := serveProgram(t, binary, pgtest.NewDatabase(t), "--auth=forward", "--auth-url="+app+"/session")
	for _, cookie := range []string{"", "session=YWxpY2U.9999999999.x", "session=.", "session"} {
		response := visit(t, "GET", at+"/api/events", cookie, "")
		if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), `"application":{"login":"/login"}`) {
			t.Errorf("%q: %s %s", cookie, response.Status, body)
		}
	}
	alice := sessionOf(t, visit(t, "GET", app+"/login", "", ""))
	response := visit(t, "GET", at+"/api/events", "theme=dark; "+alice, "")
	readUntil(t, bufio.NewScanner(response.Body), `"expires":`)
}

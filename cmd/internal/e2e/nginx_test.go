package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// startNginx runs nginx in front of servers at these URLs, with the configuration in deploy/, and returns its URL.
func startNginx(ctx context.Context, t *testing.T, servers ...string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; exec.Command(program, "-v").Run() != nil {
			t.Skip("nginx is not installed: tools/setup installs it on Debian")
		}
	}
	config, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	at := pgtest.FreeAddr(t)
	const line = "127.0.0.1:8080 max_fails=1 fail_timeout=1s;"
	var upstream []string
	for _, server := range servers {
		upstream = append(upstream, strings.Replace(line, "127.0.0.1:8080", strings.TrimPrefix(server, "http://"), 1))
	}
	text := replaceOnce(t, string(config), line, strings.Join(upstream, "\n    server "))
	text = replaceOnce(t, text, "listen 80;", "listen "+at+";")
	dir := t.TempDir()
	main := fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log stderr notice;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n"+
		"gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; # a global setting that must not apply to streams\n%[2]s}\n", dir, text)
	write(t, filepath.Join(dir, "nginx.conf"), []byte(main))
	startProxy(ctx, t, at, program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
	return "http://" + at
}

// replaceOnce replaces an address, which must occur in one directive.
func replaceOnce(t *testing.T, text, old, fresh string) string {
	t.Helper()
	if strings.Count(text, "\n    server "+old)+strings.Count(text, "\n    "+old) != 1 {
		t.Fatalf("deploy/nginx.conf contains %q not once", old)
	}
	return strings.Replace(text, old, fresh, 2)
}

// TestNginx sends everything through nginx with the recommended configuration. Each step waits for bytes that
// a proxy with buffers would keep.
func TestNginx(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.NewDatabase(t), func(c *server.Config) {
		c.Limits.TrustedProxies, c.Limits.PerAddress = []string{"127.0.0.1"}, 1
		c.Tuning.Heartbeat = 200 * time.Millisecond
	})
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	url := startNginx(ctx, t, n.at(""))

	listening, disconnect := context.WithCancel(ctx)
	defer disconnect()
	response := ask(listening, t, url+"/api/events", "Accept-Encoding", "gzip")
	if got := response.Header; got.Get("Content-Type") != "text/event-stream" || got.Get("Content-Encoding") != "" {
		t.Errorf("a stream has the header %v", got)
	}
	lines := bufio.NewScanner(response.Body)
	readTo(t, lines, `"sync"`)
	readTo(t, lines, `"type":"heartbeat"`)
	if status := postJSON(ctx, t, url+"/api/activities", strings.Replace(activity, `"c"`, `"through nginx"`, 1)); status != http.StatusCreated {
		t.Fatalf("POST through nginx: status %d", status)
	}
	readTo(t, lines, "through nginx")

	// nginx names the client's address, whatever the client sends.
	rejected := send(ctx, t, url+"/api/events", "X-Forwarded-For", "192.0.2.1", "Forwarded", "for=192.0.2.1")
	body, _ := io.ReadAll(rejected.Body)
	var problem struct{ Code string }
	if err := json.Unmarshal(body, &problem); err != nil || rejected.StatusCode != http.StatusTooManyRequests || problem.Code != "limit_address" {
		t.Errorf("a second stream from one address: %d %s", rejected.StatusCode, body)
	}
	if rejected.Header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing behind nginx")
	}

	// A client that disconnects is gone at the server too, and its slot is free.
	disconnect()
	waitFor(ctx, t, "the server to close the stream", func() bool { return strings.Contains(n.log.String(), "stream closed") })
	lines = openStream(ctx, t, url+"/api/events")
	readTo(t, lines, `"sync"`)

	// The end of the server reaches the client.
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	readTo(t, lines, `"draining"`)
	for lines.Scan() {
		continue
	}
}

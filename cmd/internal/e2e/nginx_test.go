package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
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

// startNginx runs Debian's nginx with the configuration of deploy/, in front of the server, and returns its
// URL.
func startNginx(ctx context.Context, t *testing.T, n *node) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; exec.Command(program, "-v").Run() != nil {
			t.Skip("no nginx here: tools/setup installs it on Debian")
		}
	}
	config, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	free.Close()
	text := replaceOnce(t, string(config), "127.0.0.1:8080", strings.TrimPrefix(n.at(""), "http://"))
	text = replaceOnce(t, text, "listen 80;", "listen "+at+";")
	dir := t.TempDir()
	main := fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log stderr notice;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n"+
		"gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; # as somebody may have it for everything\n%[2]s}\n", dir, text)
	write(t, filepath.Join(dir, "nginx.conf"), []byte(main))
	var log syncBuffer
	running, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(running, program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("nginx said:\n%s", log.String())
		}
	})
	for {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
			return "http://" + at
		}
		select {
		case <-ended:
			t.Fatalf("nginx ended:\n%s", log.String())
		case <-ctx.Done():
			t.Fatal("nginx does not listen")
		default:
			pause(ctx, time.Millisecond)
		}
	}
}

func replaceOnce(t *testing.T, text, old, fresh string) string {
	t.Helper()
	if strings.Count(text, "\n    server "+old)+strings.Count(text, "\n    "+old) != 1 {
		t.Fatalf("deploy/nginx.conf does not hold %q once", old)
	}
	return strings.Replace(text, old, fresh, 2)
}

// through opens a stream through nginx. header holds names and values.
func through(ctx context.Context, t *testing.T, url string, header ...string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := newHTTPClient(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response, bufio.NewScanner(response.Body)
}

func scanTo(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the stream ended before %q: %v", text, lines.Err())
}

// TestNginx sends everything through a real nginx with the configuration that we recommend. Each step waits
// for what must come through it at once: a proxy that buffers makes it wait for ever.
func TestNginx(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.NewDatabase(t), func(c *server.Config) {
		c.Limits.TrustedProxies, c.Limits.PerAddress = []string{"127.0.0.1"}, 1
		c.Tuning.Heartbeat = 200 * time.Millisecond
	})
	startNodes(ctx, t, n)
	t.Cleanup(func() { n.end(t) })
	url := startNginx(ctx, t, n)

	listening, hangUp := context.WithCancel(ctx)
	response, lines := through(listening, t, url, "Accept-Encoding", "gzip")
	if got := response.Header; got.Get("Content-Type") != "text/event-stream" || got.Get("Content-Encoding") != "" {
		t.Errorf("a stream comes with %v", got)
	}
	scanTo(t, lines, `"sync"`)
	scanTo(t, lines, `"heartbeat"`)
	const body = `{"category":"through nginx","subcategory":"s","location":"l","reporter":"r"}`
	answer, err := newHTTPClient(t).Post(url+"/api/activities", "application/json", strings.NewReader(body))
	if err != nil || answer.StatusCode != http.StatusCreated {
		t.Fatalf("POST through nginx: %v, %v", answer, err)
	}
	answer.Body.Close()
	scanTo(t, lines, "through nginx")

	// The client's address is nginx's word, whatever the client says.
	refused, _ := through(ctx, t, url, "X-Forwarded-For", "192.0.2.1", "Forwarded", "for=192.0.2.1")
	refusal, _ := io.ReadAll(refused.Body)
	var problem struct{ Code string }
	if err := json.Unmarshal(refusal, &problem); err != nil || refused.StatusCode != http.StatusTooManyRequests || problem.Code != "limit_address" {
		t.Errorf("a second stream from one address: %d %s", refused.StatusCode, refusal)
	}
	if refused.Header.Get("Retry-After") == "" {
		t.Error("nginx swallowed Retry-After")
	}

	// Who hangs up is gone at the server too, and may come again.
	hangUp()
	waitFor(ctx, t, "the server to close the stream", func() bool { return strings.Contains(n.log.String(), "stream closed") })
	_, lines = through(ctx, t, url)
	scanTo(t, lines, `"sync"`)

	// Without a server nginx says so, and the next one is found at once.
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	scanTo(t, lines, `"draining"`)
	for lines.Scan() {
		continue
	}
}

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// program is the real program, running.
type program struct {
	cmd   *exec.Cmd
	ctx   context.Context
	log   syncBuffer
	lines *counter // of the log
	ended chan struct{}
	err   error // of its end, once ended is closed
}

// startProgram runs the binary. It is killed when the test ends, if it has not ended by then.
func startProgram(t *testing.T, binary string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(hangContext(t, context.Background()))
	p := &program{cmd: exec.CommandContext(ctx, binary, args...), ctx: ctx, lines: newCounter(), ended: make(chan struct{})}
	p.cmd.Env = []string{"LC_ALL=C"} // what it is to know stands in args
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); p.lines.add() {
			fmt.Fprintln(&p.log, lines.Text())
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-p.ended
		if t.Failed() {
			t.Logf("the program said:\n%s", p.log.String())
		}
	})
	return p
}

// says waits for a line of the log with this message, and returns one of its fields.
func (p *program) says(t *testing.T, message, field string) string {
	t.Helper()
	for {
		seen := p.lines.value()
		for _, line := range strings.Split(p.log.String(), "\n") {
			var entry map[string]any
			if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
				text, _ := entry[field].(string)
				return text
			}
		}
		if err := p.lines.reach(p.ctx, seen+1); err != nil {
			t.Fatalf("the program did not say %q: %v", message, err)
		}
	}
}

func (p *program) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// insist sends the signal until the program has ended: the handler of the first one may not have
// gone yet.
func (p *program) insist(sig syscall.Signal) {
	for {
		select {
		case <-p.ended:
			return
		default:
			_ = p.cmd.Process.Signal(sig) // it may have ended just now
			pause(p.ctx, 10*time.Millisecond)
		}
	}
}

func buildProgram(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "pgherald")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/pgherald/pgherald/cmd/pgherald").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// TestProgram builds the program and has it end in all the ways in which it can.
func TestProgram(t *testing.T) {
	t.Parallel()
	binary := buildProgram(t)
	t.Run("drains", func(t *testing.T) { testDrain(t, binary) })
	t.Run("ends at a second signal", func(t *testing.T) { testSecondSignal(t, binary) })
	t.Run("ends in a black hole", func(t *testing.T) { testEndInBlackHole(t, binary) })
	t.Run("refuses", func(t *testing.T) { testRefusals(t, binary) })
}

func serveProgram(t *testing.T, binary, databaseURL string, args ...string) (p *program, at string) {
	t.Helper()
	p = startProgram(t, binary, append([]string{"serve", "--database-url=" + databaseURL, "--addr=127.0.0.1:0", "--probe-interval=200ms"}, args...)...)
	return p, p.says(t, "serving", "url")
}

// testDrain: at SIGTERM a stream is told to resume elsewhere, with a delay of its own, and ends;
// /readyz says that the server goes; the program ends well.
func testDrain(t *testing.T, binary string) {
	p, at := serveProgram(t, binary, pgtest.NewDatabase(t), "--drain=20s") // it answers requests for a fifth of that
	resp, err := newHTTPClient(t).Get(at + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if _, err := body.Peek(1); err != nil {
		t.Fatalf("the stream did not begin: %v", err)
	}
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.says(t, "draining", "")
	checkNotReady(t, at)
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("the stream did not end as it should: %v", err)
	}
	checkGoodbye(t, text)
	<-p.ended
	t.Logf("drained in %v", time.Since(began).Round(time.Millisecond))
	if p.err != nil {
		t.Errorf("the program ended with %v", p.err)
	}
}

func checkGoodbye(t *testing.T, text []byte) {
	t.Helper()
	var c streamtest.Client
	if _, err := c.Write(text); err != nil {
		t.Fatal(err)
	}
	last := c.Control[len(c.Control)-1]
	if len(c.Control) != 2 || last.Type != "sync" || !strings.Contains(string(last.Data), `"draining"`) {
		t.Errorf("the stream was\n%s", text)
	}
	if frames := strings.Split(strings.TrimSpace(string(text)), "\n\n"); !strings.Contains(frames[len(frames)-1], "retry: ") {
		t.Errorf("the last frame has no retry:\n%s", text)
	}
}

// checkNotReady asks a server that drains, on a connection of its own.
func checkNotReady(t *testing.T, at string) {
	t.Helper()
	resp, err := newHTTPClient(t).Get(at + "/readyz")
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "draining") {
		t.Errorf("/readyz says %s %s", resp.Status, body)
	}
}

// testSecondSignal: the first signal begins a drain, which lasts longer than any test. Another one ends the
// program, as if it had no handler.
func testSecondSignal(t *testing.T, binary string) {
	p, _ := serveProgram(t, binary, pgtest.NewDatabase(t), "--drain=1h")
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.says(t, "draining", "")
	p.insist(syscall.SIGINT)
	t.Logf("ended in %v", time.Since(began).Round(time.Millisecond))
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("the program ended with %v, not by the signal", p.err)
	}
}

// testEndInBlackHole: the program ends although its database connections are dead and silent.
func testEndInBlackHole(t *testing.T, binary string) {
	database := pgtest.NewDatabase(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	proxy := pgtest.NewProxy(t, u.Host)
	p, _ := serveProgram(t, binary, proxy.URL(database))
	proxy.Blackhole(true)
	p.says(t, "listener disconnected", "")
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	<-p.ended
	t.Logf("ended in %v", time.Since(began).Round(time.Millisecond))
	if p.err != nil {
		t.Errorf("the program ended with %v", p.err)
	}
}

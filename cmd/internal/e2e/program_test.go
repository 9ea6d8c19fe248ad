package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// program is a process of pgherald.
type program struct {
	cmd   *exec.Cmd
	ctx   context.Context
	log   syncBuffer
	lines *counter // of log
	ended chan struct{}
	err   error // of cmd.Wait, once ended is closed
}

// startProgram runs the binary. The end of the test kills it.
func startProgram(t *testing.T, binary string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(hangContext(t, context.Background()))
	p := &program{cmd: exec.CommandContext(ctx, binary, args...), ctx: ctx, lines: newCounter(), ended: make(chan struct{})}
	p.cmd.Env = []string{"LC_ALL=C"} // settings come from args alone
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
		pgtest.Within(t, "the end of the program", func() { <-p.ended })
		if t.Failed() {
			t.Logf("the program's log:\n%s", p.log.String())
		}
	})
	return p
}

// awaitLog waits for a line of the log with a message, and returns one of its fields.
func (p *program) awaitLog(t *testing.T, message, field string) string {
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
			t.Fatalf("the log has no message %q: %v", message, err)
		}
	}
}

func (p *program) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// signalUntilEnd sends the signal until the program has ended: at first its handler may still be there.
func (p *program) signalUntilEnd(sig syscall.Signal) {
	for {
		select {
		case <-p.ended:
			return
		default:
			_ = p.cmd.Process.Signal(sig) // fails if it has just ended
			pause(p.ctx, 10*time.Millisecond)
		}
	}
}

// buildOnce builds pgherald in programDir, for all tests.
var buildOnce = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", "-o", programDir, "github.com/pgherald/pgherald/cmd/pgherald").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return nil
})

// buildProgram returns the binary of pgherald.
func buildProgram(t *testing.T) string {
	t.Helper()
	if err := buildOnce(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programDir, "pgherald")
}

// TestProgram runs the program to each of its ends.
func TestProgram(t *testing.T) {
	t.Parallel()
	binary := buildProgram(t)
	t.Run("drain", func(t *testing.T) { testDrain(t, binary) })
	t.Run("second signal", func(t *testing.T) { testSecondSignal(t, binary) })
	t.Run("database in a black hole", func(t *testing.T) { testBlackHole(t, binary) })
	t.Run("start errors", func(t *testing.T) { testStartErrors(t, binary) })
	t.Run("pooler in transaction mode", func(t *testing.T) { testPooledStart(t, binary) })
	t.Run("triggers", func(t *testing.T) { testTriggersCommands(t, binary) })
}

// serveProgram runs pgherald serve and returns its URL once it is ready.
func serveProgram(t *testing.T, binary, databaseURL string, args ...string) (p *program, url string) {
	t.Helper()
	p = startProgram(t, binary, append([]string{"serve", "--database-url=" + databaseURL, "--addr=127.0.0.1:0", "--probe-interval=200ms"}, args...)...)
	return p, p.awaitLog(t, "serving", "url")
}

// testDrain checks that at SIGTERM a stream ends with a sync event that says draining and with a delay for the
// reconnect, that /readyz fails, and that the program succeeds. The server answers requests for a fifth of the drain: if this
// process stood still for so long, the server has to drain for longer.
func testDrain(t *testing.T, binary string) {
	for drain := 20 * time.Second; drain < 5*time.Minute; drain *= 3 {
		if drains(t, binary, drain) {
			return
		}
		t.Logf("%v are too short for this machine", drain)
	}
	t.Error("the server answered no request while it drained")
}

// drains returns false if the server gave no answer to a request that came after the time for which it gives some.
func drains(t *testing.T, binary string, drain time.Duration) bool {
	t.Helper()
	p, at := serveProgram(t, binary, pgtest.NewDatabase(t), "--drain="+drain.String(), "--heartbeat=20ms")
	resp, err := newHTTPClient(t).Get(at + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if _, err := body.Peek(1); err != nil {
		t.Fatalf("the stream sent nothing: %v", err)
	}
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.awaitLog(t, "draining", "")
	isInTime := checkNotReady(t, at, began.Add(drain/5), began.Add(drain))
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("the stream ended with %v", err)
	}
	checkDrained(t, text)
	<-p.ended
	t.Logf("drained in %v", time.Since(began).Round(time.Millisecond))
	if p.err != nil {
		t.Errorf("the program ended with %v", p.err)
	}
	return isInTime
}

// checkDrained checks the whole text of a stream that drained.
func checkDrained(t *testing.T, text []byte) {
	t.Helper()
	var c streamtest.Client
	if _, err := c.Write(text); err != nil {
		t.Fatal(err)
	}
	draining := 0 // heartbeats come before it, and on a busy machine the stream is stale for a moment
	for _, e := range c.Control {
		if strings.Contains(string(e.Data), `"draining"`) {
			draining++
		}
	}
	if draining != 1 || c.Control[0].Type != "sync" || !strings.Contains(string(c.Control[len(c.Control)-1].Data), `"draining"`) {
		t.Errorf("the stream was\n%s", text)
	}
	if frames := strings.Split(strings.TrimSpace(string(text)), "\n\n"); !strings.Contains(frames[len(frames)-1], "retry: ") {
		t.Errorf("the last frame has no retry:\n%s", text)
	}
}

// checkNotReady checks that a new connection finds the server not ready. It returns false if there was no answer, and the time has
// passed for which the server gives some. The server closes the connection at the end of the drain.
func checkNotReady(t *testing.T, at string, answersUntil, end time.Time) bool {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	resp, err := newHTTPClient(t).Do(newRequest(ctx, t, at+"/readyz"))
	var body []byte
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
	}
	switch {
	case err != nil && time.Now().After(answersUntil):
		return false
	case err != nil:
		t.Error(err)
	case resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "draining"):
		t.Errorf("/readyz: %s %s", resp.Status, body)
	}
	return true
}

// testSecondSignal sends a signal that starts an hour's drain, and a second one. That must kill the program, as
// if it had no handler. It is no SIGINT, which a shell makes the tests ignore if they run in the background.
func testSecondSignal(t *testing.T, binary string) {
	p, _ := serveProgram(t, binary, pgtest.NewDatabase(t), "--drain=1h")
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.awaitLog(t, "draining", "")
	p.signalUntilEnd(syscall.SIGTERM)
	t.Logf("ended in %v", time.Since(began).Round(time.Millisecond))
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the program ended with %v, want the signal", p.err)
	}
}

// testBlackHole checks that the program ends although its database connections are open and dead.
func testBlackHole(t *testing.T, binary string) {
	database := pgtest.NewDatabase(t)
	proxy := pgtest.NewProxyOf(t, database)
	p, _ := serveProgram(t, binary, proxy.URL(database))
	proxy.Blackhole(true)
	p.awaitLog(t, "listener disconnected", "")
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	<-p.ended
	t.Logf("ended in %v", time.Since(began).Round(time.Millisecond))
	if p.err != nil {
		t.Errorf("the program ended with %v", p.err)
	}
}

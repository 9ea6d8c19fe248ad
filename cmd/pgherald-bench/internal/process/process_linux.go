package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopTimeout bounds the time that a child may take to end before Stop kills it.
const stopTimeout = 15 * time.Second

// Command describes a child.
type Command struct {
	Name string // for errors
	Path string
	Args []string
	CPUs []int // processors that it may use; all if empty
}

// Process is a running child. The caller must Stop it.
type Process struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // of its standard output
	done  chan struct{}
	err   error // of its end, once done is closed
	log   logTail
}

// Start starts a child, without the environment variables that configure pgherald.
func Start(c Command) (*Process, error) {
	p := &Process{name: c.Name, cmd: exec.Command(c.Path, c.Args...), lines: make(chan string, 64), done: make(chan struct{})}
	p.cmd.Env = cleanEnvironment()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = &p.log
	p.cmd.WaitDelay = time.Second
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p.in = in
	started := make(chan error)
	go p.run(c.CPUs, out, started)
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

func cleanEnvironment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PGHERALD_") && !strings.HasPrefix(e, "DATABASE_URL=") {
			env = append(env, e)
		}
	}
	return env
}

// run starts the child and reads its output to the end. It locks its thread and never unlocks it: the
// child inherits the processors of the thread, and Pdeathsig refers to the thread's end.
func (p *Process) run(cpus []int, out io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer close(p.done)
	defer close(p.lines)
	if len(cpus) > 0 {
		if err := unix.SchedSetaffinity(0, cpuSet(cpus)); err != nil {
			started <- fmt.Errorf("use processors %v: %w", cpus, err)
			return
		}
	}
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 256<<20)
	for lines.Scan() {
		p.lines <- lines.Text()
	}
	p.err = p.cmd.Wait()
}

// PID returns the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done returns a channel that is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Send writes v to the child as a line of JSON.
func (p *Process) Send(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.Failure("write to", err)
	}
	return nil
}

// Receive waits for the child's next line and decodes it into v.
func (p *Process) Receive(ctx context.Context, v any) error {
	select {
	case line, ok := <-p.lines:
		if !ok {
			<-p.done
			return p.Failure("read from", p.err)
		}
		if err := json.Unmarshal([]byte(line), v); err != nil {
			return p.Failure("decode the output of", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", p.name, ctx.Err())
	}
}

// Failure returns an error about an action on the child, with the end of the child's log. If err is
// nil, it takes the error with which the child ended.
func (p *Process) Failure(action string, err error) error {
	if err == nil {
		err = errors.New("the process has ended")
		select {
		case <-p.done:
			if p.err != nil {
				err = p.err
			}
		default:
		}
	}
	return fmt.Errorf("%s %s: %w%s", action, p.name, err, p.log.text())
}

// CloseInput closes the child's input, at whose end a child of this program ends. It does not wait.
func (p *Process) CloseInput() { _ = p.in.Close() }

// Stop ends the child and waits for it. It closes the child's input and sends SIGTERM, and kills a child
// that has not ended after stopTimeout. Stopping twice, or a nil Process, does nothing.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	_ = p.in.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	for {
		select {
		case _, ok := <-p.lines: // drain the output, which could block the child
			if !ok {
				<-p.done
				return
			}
		case <-timer.C:
			p.kill()
			return
		}
	}
}

func (p *Process) kill() {
	_ = p.cmd.Process.Kill()
	for range p.lines { // until it is closed
	}
	<-p.done
}

// logTail keeps the end of a child's standard error.
type logTail struct {
	mu   sync.Mutex
	kept []byte
}

// Write keeps the last 2 KiB.
func (t *logTail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if excess := len(t.kept) - 2048; excess > 0 {
		t.kept = t.kept[excess:]
	}
	return len(b), nil
}

func (t *logTail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.kept) == 0 {
		return ""
	}
	return "; its log ends with:\n" + strings.TrimSpace(string(t.kept))
}

// Listening is the first line of a child that serves: where it listens.
type Listening struct {
	Addr string `json:"addr"`
}

// Listen opens a free port of loopback in a child and reports it to the parent.
func Listen(out io.Writer) (net.Listener, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	return l, json.NewEncoder(out).Encode(Listening{Addr: l.Addr().String()})
}

// UntilEOF returns a context that ends when the parent closes the child's input.
func UntilEOF(ctx context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	return ctx, cancel
}

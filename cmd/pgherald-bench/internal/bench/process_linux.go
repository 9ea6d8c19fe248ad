package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killPatience is how long a child may take to end after it was told to.
const killPatience = 15 * time.Second

// process is a child. Whoever starts it must stop it.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	said chan string // lines of its standard output
	done chan struct{}
	err  error // of its end, once done is closed
	log  tail
}

// command says what to run, and on which processors (all if empty).
type command struct {
	name string
	path string
	args []string
	env  []string // beside our own
	cpus []int
}

// startProcess starts a child whose life does not go beyond ours.
func startProcess(c command) (*process, error) {
	p := &process{name: c.name, cmd: exec.Command(c.path, c.args...), said: make(chan string, 64), done: make(chan struct{})}
	p.cmd.Env = append(ownEnvironment(), c.env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = &p.log
	p.cmd.WaitDelay = time.Second
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	p.in = in
	started := make(chan error)
	go p.run(c.cpus, out, started)
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	return p, nil
}

// ownEnvironment is ours without what configures a pgherald: a benchmark says itself what it runs.
func ownEnvironment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PGHERALD_") && !strings.HasPrefix(e, "DATABASE_URL=") {
			env = append(env, e)
		}
	}
	return env
}

// run never unlocks its thread, which ends with it: the thread is confined to the child's
// processors so that the child inherits them, and it is the thread whose end would kill the child.
func (p *process) run(cpus []int, out io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer close(p.done)
	defer close(p.said)
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
		p.said <- lines.Text()
	}
	p.err = p.cmd.Wait()
}

func cpuSet(cpus []int) *unix.CPUSet {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return &set
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// tell sends a command as a line of JSON.
func (p *process) tell(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.failure("told something", err)
	}
	return nil
}

// hear waits for the next line and reads it into v.
func (p *process) hear(ctx context.Context, v any) error {
	select {
	case line, ok := <-p.said:
		if !ok {
			<-p.done
			return p.failure("asked for an answer", p.err)
		}
		if err := json.Unmarshal([]byte(line), v); err != nil {
			return p.failure("understood", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", p.name, ctx.Err())
	}
}

func (p *process) failure(when string, err error) error {
	if err == nil {
		err = errors.New("it has ended")
	}
	return fmt.Errorf("%s cannot be %s: %w%s", p.name, when, err, p.log.text())
}

// stop ends the child and waits for it: first by closing its input, which our own children take
// for a request, and by a signal.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.in.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.wait(killPatience)
}

// wait waits for the end, and kills if that takes too long.
func (p *process) wait(patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case _, ok := <-p.said: // it must not wait for us to read
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

// kill ends the child at once and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	for range p.said { // until it is closed
	}
	<-p.done
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

// Write keeps the last 2 KiB.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - 2048; over > 0 {
		t.kept = t.kept[over:]
	}
	return len(b), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.kept) == 0 {
		return ""
	}
	return "; it said:\n" + strings.TrimSpace(string(t.kept))
}

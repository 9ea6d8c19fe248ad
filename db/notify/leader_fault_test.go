package notify_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/db/pgtest"
)

// wakerSteps are the steps at which a waker may meet its fate.
var wakerSteps = []notify.LeaderStep{
	notify.StepConnected, notify.StepAcquired, notify.StepLeading, notify.StepQuiet, notify.StepReleased, notify.StepDraining,
}

// impatient is a waker whose session ends soon when it says nothing.
var impatient = notify.LeaderOptions{SessionTimeout: 500 * time.Millisecond}

// strike runs a test for each step: a waker stands there, a transaction is open that has written, and
// whatever fate does to the waker, this server has every event once.
func strike(t *testing.T, fate func(t *testing.T, f *strickenWaker)) {
	for _, step := range wakerSteps {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			url := watched(t)
			f := &strickenWaker{url: url, step: step, conn: pgtest.Connect(t, url), witness: newSite(t, url, siteOptions{noWaker: true})}
			fate(t, f)
			f.insert(t, f.conn)
			f.witness.gets(f.conn)
			t.Logf("%d events were counted as unannounced", f.witness.feed.Stats().Unannounced)
		})
	}
}

// strickenWaker is a waker at a step, and what is around it.
type strickenWaker struct {
	url     string
	step    notify.LeaderStep
	conn    *pgx.Conn
	witness *site // a server that has no waker
	rows    int
}

func (f *strickenWaker) insert(t *testing.T, q querier) {
	t.Helper()
	f.rows++
	if _, err := q.Exec(t.Context(), `insert into public.rows (id) values ($1)`, f.rows); err != nil {
		t.Fatal(err)
	}
}

// open begins a transaction that has written.
func (f *strickenWaker) open(t *testing.T) pgx.Tx {
	t.Helper()
	tx := pgtest.Begin(t, f.url)
	f.insert(t, tx)
	return tx
}

// reach brings a waker to the step; some are reached only while a transaction is open.
func (f *strickenWaker) reach(t *testing.T, await func(notify.LeaderStep)) pgx.Tx {
	t.Helper()
	var tx pgx.Tx
	if f.step == notify.StepDraining {
		tx = f.open(t)
	}
	ring(t, f.conn)
	await(f.step)
	if tx == nil {
		tx = f.open(t)
	}
	return tx
}

// awaitUnlocked waits until nobody has the waker's lock.
func (f *strickenWaker) awaitUnlocked(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := f.conn.Exec(ctx, `select pg_advisory_lock_shared($1)`, int64(notify.LeaderLock)); err != nil {
		t.Fatalf("wait for the waker's lock: %v", err)
	}
	pgtest.Exec(t, f.conn, `select pg_advisory_unlock_shared($1)`, int64(notify.LeaderLock))
}

// The session is terminated under a waker that stands at the step. It comes back by itself and announces
// what it owed, to its own server and to others: not even the fallback has to find anything.
func TestWakerTerminatedAtEachStep(t *testing.T) {
	strike(t, func(t *testing.T, f *strickenWaker) {
		s := newSite(t, f.url, siteOptions{hold: f.step})
		tx := f.reach(t, s.await)
		f.insert(t, f.conn)
		pgtest.Exec(t, f.conn, `select pg_terminate_backend($1)`, s.backend.Load())
		f.insert(t, f.conn)
		s.resume <- struct{}{}
		f.resumeAll(t, s)
		for _, server := range []*site{s, f.witness} {
			server.heard(f.conn, "after the session")
		}
		pgtest.Commit(t, tx)
		for _, server := range []*site{s, f.witness} {
			server.heard(f.conn, "after a transaction from before the end of the session")
		}
		f.insert(t, f.conn)
		s.gets(f.conn)
	})
}

// resumeAll lets a waker go on whenever it comes to its step again.
func (f *strickenWaker) resumeAll(t *testing.T, s *site) {
	background(t, func(ctx context.Context) {
		for {
			select {
			case s.resume <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	})
}

// The waker stops at the step and says nothing for longer than it takes to fall back: reads find what
// it does not announce. Once the server has ended its session, writers ring for themselves.
func TestWakerFrozenAtEachStep(t *testing.T) {
	strike(t, func(t *testing.T, f *strickenWaker) {
		s := newSite(t, f.url, siteOptions{hold: f.step, waker: impatient})
		tx := f.reach(t, s.await)
		f.insert(t, f.conn)
		f.witness.gets(f.conn)
		f.awaitUnlocked(t)
		next := hear(t, f.url)
		f.insert(t, f.conn)
		if payload := next(); !strings.HasPrefix(payload, `{"table"`) {
			t.Errorf("%s was heard", payload)
		}
		pgtest.Commit(t, tx)
		f.witness.gets(f.conn)
		f.resumeAll(t, s)
		f.insert(t, f.conn)
		s.gets(f.conn)
	})
}

// The backend is stopped, and keeps the lock for as long as it is: the waker sees that there is no
// answer, and cannot end it. Reads find everything, and when the backend goes on, so does all the rest.
func TestWakerBackendFrozenAtEachStep(t *testing.T) {
	strike(t, func(t *testing.T, f *strickenWaker) {
		s := newSite(t, f.url, siteOptions{hold: f.step, waker: impatient})
		thaw := func() {}
		defer func() { thaw() }()
		tx := f.reach(t, func(step notify.LeaderStep) {
			s.await(step)
			pid := int(s.backend.Load()) // before the server ends a session that says nothing
			signalProcess(t, pid, syscall.SIGSTOP)
			thaw = sync.OnceFunc(func() { signalProcess(t, pid, syscall.SIGCONT) })
		})
		f.resumeAll(t, s)
		f.insert(t, f.conn)
		f.witness.gets(f.conn)
		pgtest.Commit(t, tx)
		f.witness.gets(f.conn)
		thaw()
		f.insert(t, f.conn)
		s.gets(f.conn)
		f.awaitUnlocked(t)
	})
}

// The network between a waker and its server is gone. The waker makes another session and ends the old
// one, so that the lock comes back at once.
func TestWakerCutOff(t *testing.T) {
	url := watched(t)
	conn := pgtest.Connect(t, url)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := pgtest.NewProxy(t, addressOf(config))
	s := newSite(t, url, siteOptions{wakerURL: proxy.URL(url), waker: notify.LeaderOptions{Window: time.Hour, SessionTimeout: 500 * time.Millisecond}})
	s.reach(conn, notify.StepLeading)
	proxy.Blackhole(true)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (1)`)
	s.gets(conn)
	select { // else it may go on as if nothing had been
	case <-s.lost:
	case <-time.After(30 * time.Second):
		t.Fatal("the waker did not give its session up")
	}
	proxy.Blackhole(false)
	s.await(notify.StepLeading)
	pgtest.Exec(t, conn, `insert into public.rows (id) values (2)`)
	s.gets(conn)
}

// The process of a waker is killed, or stopped and later continued, at each step.
func TestWakerProcessAtEachStep(t *testing.T) {
	t.Run("killed", func(t *testing.T) {
		strike(t, func(t *testing.T, f *strickenWaker) {
			p := startWaker(t, f)
			tx := f.reach(t, p.await)
			f.insert(t, f.conn)
			p.signal(t, syscall.SIGKILL)
			f.insert(t, f.conn)
			pgtest.Commit(t, tx)
			f.witness.gets(f.conn)
			f.awaitUnlocked(t)
			f.insert(t, f.conn)
			f.witness.heard(f.conn, "after the waker's end")
		})
	})
	t.Run("stopped", func(t *testing.T) {
		strike(t, func(t *testing.T, f *strickenWaker) {
			p := startWaker(t, f)
			tx := f.reach(t, p.await)
			p.signal(t, syscall.SIGSTOP)
			f.insert(t, f.conn)
			f.witness.gets(f.conn)
			f.awaitUnlocked(t) // the server has ended the session, or it had no lock
			f.insert(t, f.conn)
			f.witness.heard(f.conn, "while the waker stands still")
			pgtest.Commit(t, tx)
			f.witness.gets(f.conn)
			p.signal(t, syscall.SIGCONT)
			p.resume(t)
			f.insert(t, f.conn)
			f.witness.gets(f.conn)
		})
	})
}

func signalProcess(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("send %v to the waker's backend: %v", sig, err)
	}
}

// wakerProcess is a waker in a process of its own.
type wakerProcess struct {
	cmd   *exec.Cmd
	stdin io.Writer
	lines chan string
}

const (
	wakerProcessURL  = "PGHERALD_TEST_WAKER_URL"
	wakerProcessHold = "PGHERALD_TEST_WAKER_HOLD"
)

// startWaker runs this test binary as a waker that stays at the step.
func startWaker(t *testing.T, f *strickenWaker) *wakerProcess {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &wakerProcess{cmd: exec.Command(exe), lines: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), wakerProcessURL+"="+f.url, wakerProcessHold+"="+string(f.step))
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.lines <- lines.Text()
		}
	})
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // also one that is stopped
		reading.Wait()
		_ = p.cmd.Wait()
	})
	p.await("listening")
	if f.step == "" { // nobody awaits what it says
		reading.Go(func() {
			for range p.lines {
			}
		})
	}
	return p
}

func (p *wakerProcess) await(step notify.LeaderStep) {
	for line := range p.lines {
		if line == string(step) {
			return
		}
	}
}

func (p *wakerProcess) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// resume lets the waker go on from its step.
func (p *wakerProcess) resume(t *testing.T) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin); err != nil {
		t.Fatal(err)
	}
}

// runWakerProcess is the main function of such a process: it says its steps, and stays at one of them
// until there is a line to read.
func runWakerProcess(url string, hold notify.LeaderStep) error {
	ctx := context.Background()
	pool, err := db.OpenLogPool(ctx, url, 2)
	if err != nil {
		return err
	}
	defer pool.Close()
	listener, err := notify.OpenListener(ctx, url, pool, quick)
	if err != nil {
		return err
	}
	stdin := bufio.NewReader(os.Stdin)
	opts := notify.LeaderOptions{SessionTimeout: impatient.SessionTimeout, OnStep: func(step notify.LeaderStep) {
		fmt.Fprintln(os.Stdout, step)
		if step == hold {
			_, _ = stdin.ReadString('\n') // at the end of the parent it goes on, and ends
		}
	}}
	if hold == "" {
		opts.Window = restless.Window
	}
	waker, err := notify.NewLeader(listener, url, opts)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Go(func() { listener.Run(ctx) })
	running.Go(func() { waker.Run(ctx) })
	if err := listener.WaitLive(ctx); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "listening")
	running.Wait()
	return nil
}

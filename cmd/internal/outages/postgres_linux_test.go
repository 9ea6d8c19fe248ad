package outages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/outages/judge"
	"github.com/pgherald/pgherald/db/postgres"
)

// cluster is one PostgreSQL on a host.
type cluster struct {
	net  *network
	host string
	bin  string
	dir  string // the data directory
	cred *syscall.Credential

	mu      sync.Mutex
	current *process
}

// pair is a primary and its standby.
type pair struct {
	net    *network
	mu     sync.Mutex
	active *cluster // the primary
	other  *cluster

	crashes []period       // when PostgreSQL lost what it had not written
	held    []judge.Window // when commits waited for the standby
}

// settings are those of production, but that a crash of the machine may destroy the data.
var settings = map[string]string{
	"listen_addresses": "*", "port": "5432", "unix_socket_directories": "", "fsync": "off",
	"max_connections": "150", "shared_buffers": "64MB", "wal_level": "replica", "hot_standby": "on", "wal_keep_size": "1GB",
	"track_commit_timestamp": "on", "wal_retrieve_retry_interval": "200ms", "log_destination": "stderr", "logging_collector": "off",
	"max_wal_size": "2GB", "deadlock_timeout": "200ms", "lc_messages": "C", "log_min_messages": "log",
}

func newPair(ctx context.Context, t *testing.T, n *network) *pair {
	t.Helper()
	inst, err := postgres.Find(ctx, postgres.Options{BinDir: os.Getenv("PGHERALD_TEST_PG_BIN")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(inst.BinDir, "pg_basebackup")); err != nil {
		t.Fatalf("%s has no pg_basebackup, which makes a standby: tools/setup installs a whole PostgreSQL on Debian", inst)
	}
	dir, err := os.MkdirTemp("", "pgherald-outages-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cred := serverAccount(t, dir)
	p := &pair{net: n}
	p.active = &cluster{net: n, host: hostFirst, bin: inst.BinDir, dir: filepath.Join(dir, "first"), cred: cred}
	p.other = &cluster{net: n, host: hostSecond, bin: inst.BinDir, dir: filepath.Join(dir, "second"), cred: cred}
	t.Cleanup(func() {
		for _, c := range []*cluster{p.active, p.other} {
			log, _ := os.ReadFile(c.dir + ".log")
			keepLog(t, c.host, log)
			if t.Failed() {
				t.Logf("the log of %s ends with:\n%s", c.host, log[max(0, len(log)-3000):])
			}
			c.kill()
		}
	})
	if _, err := p.active.run(ctx, "initdb", "-D", p.active.dir, "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync"); err != nil {
		t.Fatal(err)
	}
	hba := "host all all all trust\nhost replication all all trust\n"
	if err := os.WriteFile(filepath.Join(p.active.dir, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.active.start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.makeStandby(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

// serverAccount returns the account that runs PostgreSQL, which refuses to run as root, and gives it the directory.
func serverAccount(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			t.Fatal(err)
		}
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// command returns a program of PostgreSQL that runs as the account.
func (c *cluster) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), args...)
	cmd.Dir, cmd.Env = "/", []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	return cmd
}

func (c *cluster) run(ctx context.Context, program string, args ...string) (string, error) {
	var out strings.Builder
	cmd := c.command(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := c.net.start(c.host, cmd)
	if err != nil {
		return "", err
	}
	<-p.ended
	if p.err != nil {
		return out.String(), fmt.Errorf("run %s: %w: %s", program, p.err, out.String())
	}
	return out.String(), nil
}

// start starts the server and returns when it accepts connections. After a kill the first attempts may find processes
// that have not ended yet.
func (c *cluster) start(ctx context.Context) error {
	for {
		p, err := c.launch()
		if err != nil {
			return err
		}
		ready := await(ctx, func() bool { return !p.running() || c.ready() })
		switch {
		case !ready:
			return fmt.Errorf("start PostgreSQL on %s: %w", c.host, context.Cause(ctx))
		case p.running():
			return nil
		}
		pause(ctx, 100*time.Millisecond)
	}
}

func (c *cluster) launch() (*process, error) {
	args := []string{"-D", c.dir}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	log, err := os.OpenFile(c.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := c.command(context.Background(), "postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := c.net.start(c.host, cmd)
	if err == nil {
		c.mu.Lock()
		c.current = p
		c.mu.Unlock()
	}
	return p, err
}

// ready reports whether the server says in its lock file that it accepts connections.
func (c *cluster) ready() bool {
	text, err := os.ReadFile(filepath.Join(c.dir, "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	return err == nil && len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready" && strings.TrimSpace(lines[0]) == strconv.Itoa(c.process().cmd.Process.Pid)
}

func (c *cluster) process() *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// stop ends the server with a signal: SIGINT is the fast mode, SIGQUIT the immediate one.
func (c *cluster) stop(sig syscall.Signal) {
	if p := c.process(); p != nil {
		p.signal(sig)
		<-p.ended
	}
}

// kill kills the postmaster; its processes notice that and end.
func (c *cluster) kill() { c.stop(syscall.SIGKILL) }

// killAll kills all processes at the same time. Where the postmaster alone is killed, a process that waits for the synchronous
// standby gives up, and shows others what it has committed here alone, before it ends.
func (c *cluster) killAll() {
	c.signalAll(syscall.SIGSTOP)
	for _, pid := range children(c.process().cmd.Process.Pid) { // while they have this parent
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	c.kill()
}

// signalAll sends a signal to all processes of the server, the postmaster first.
func (c *cluster) signalAll(sig syscall.Signal) {
	p := c.process()
	p.signal(sig)
	for _, pid := range children(p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, sig)
	}
}

func (p *pair) primary() *cluster {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active
}

func (p *pair) standby() *cluster {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.other
}

// url returns the connection string of a role for the primary, wherever it is.
func (p *pair) url(role string) string {
	return fmt.Sprintf("postgres://%s@%s:5432,%s:5432/soak?target_session_attrs=read-write&sslmode=disable", role, addresses[hostFirst], addresses[hostSecond])
}

// connect connects from the writers' host.
func (p *pair) connect(ctx context.Context, role string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(p.url(role))
	if err != nil {
		return nil, err
	}
	config.DialFunc = p.net.dialer(hostWriters)
	config.ConnectTimeout = 5 * time.Second
	config.RuntimeParams["application_name"] = "soak " + role
	return pgx.ConnectConfig(ctx, config)
}

// exec runs statements as the superuser, on a connection of their own. A busy machine may need several attempts to connect.
func (p *pair) exec(ctx context.Context, statements ...string) error {
	var conn *pgx.Conn
	var err error
	if !await(ctx, func() bool { conn, err = p.connect(ctx, "postgres"); return err == nil }) {
		return errors.Join(context.Cause(ctx), err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("run %q: %w", sql, err)
		}
	}
	return nil
}

// persist runs statements until they succeed: the database may be away.
func (p *pair) persist(ctx context.Context, statements ...string) error {
	var err error
	if await(ctx, func() bool { err = p.exec(ctx, statements...); return err == nil }) {
		return nil
	}
	return errors.Join(context.Cause(ctx), err)
}

// awaitSQL waits until a query returns true.
func (p *pair) awaitSQL(ctx context.Context, sql string) error {
	conn, err := p.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var holds bool
	await(ctx, func() bool {
		err = conn.QueryRow(ctx, sql).Scan(&holds)
		return err != nil || holds
	})
	if !holds {
		return fmt.Errorf("wait for %q: %w", sql, errors.Join(err, context.Cause(ctx)))
	}
	return nil
}

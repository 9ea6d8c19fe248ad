package outages

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// instance is a pgherald on a host of its own: a replica, an edge or a relay.
type instance struct {
	net    *network
	host   string
	binary string
	args   []string
	log    string
	http   *http.Client // of operators

	mu      sync.Mutex
	current *process
}

// buildServer builds pgherald, unless a flag names a binary.
func buildServer(t *testing.T) string {
	t.Helper()
	if *binaryFlag != "" {
		return *binaryFlag
	}
	binary := filepath.Join(t.TempDir(), "pgherald")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/pgherald/pgherald/cmd/pgherald").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// newReplica describes a replica. The first one connects to PostgreSQL directly, the others reach it through PgBouncer
// where that is possible.
func newReplica(t *testing.T, n *network, binary string, number int, p *pair, pool *pooler, dir string) *instance {
	t.Helper()
	url := p.url("herald")
	if number > 1 {
		url = pool.url()
	}
	return newServer(t, n, binary, fmt.Sprint(hostReplica, number), dir, "--listen-database-url="+p.url("herald"), "--database-url="+url)
}

// newServer describes an instance that serves clients.
func newServer(t *testing.T, n *network, binary, host, dir string, args ...string) *instance {
	t.Helper()
	return newInstance(t, n, binary, host, dir, append([]string{
		"serve", "--addr=" + addresses[host] + ":8080", "--insecure", "--h2c", "--drain=2s",
		"--max-requests-per-user=0", // all writers have one address
	}, args...))
}

func newInstance(t *testing.T, n *network, binary, host, dir string, args []string) *instance {
	t.Helper()
	r := &instance{
		net: n, host: host, binary: binary, log: filepath.Join(dir, host+".log"), args: append(args, "--log-format=text"),
		http: &http.Client{Transport: &http.Transport{DialContext: n.dialer(hostClients), DisableKeepAlives: true}, Timeout: 5 * time.Second},
	}
	t.Cleanup(func() {
		r.kill()
		log, err := os.ReadFile(r.log)
		keepLog(t, host, log)
		if t.Failed() && err == nil {
			lines := slices.DeleteFunc(strings.Split(string(log), "\n"), func(line string) bool { return strings.Contains(line, "stream closed") })
			t.Logf("the log of %s ends with:\n%s", host, strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	})
	return r
}

func (r *instance) url() string { return "http://" + addresses[r.host] + ":8080" }

// start starts the process. It does not wait until it serves.
func (r *instance) start() error {
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(r.binary, r.args...)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Stdout, cmd.Stderr = log, log
	p, err := r.net.start(r.host, cmd)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.current = p
	r.mu.Unlock()
	return nil
}

func (r *instance) process() *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// awaitReady waits until the instance is ready, and starts it again if it ended.
func (r *instance) awaitReady(ctx context.Context) error {
	var err error
	ready := await(ctx, func() bool {
		if !r.process().running() {
			if err = r.start(); err != nil {
				return true
			}
		}
		return r.status(ctx, "/readyz") == http.StatusOK
	})
	if !ready {
		return fmt.Errorf("wait until %s is ready: %w", r.host, context.Cause(ctx))
	}
	return err
}

// status returns the status of a GET request, or 0.
func (r *instance) status(ctx context.Context, path string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url()+path, nil)
	if err != nil {
		return 0
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (r *instance) kill() {
	if p := r.process(); p != nil {
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
}

// restart ends the instance as a deployment does, and starts it again.
func (r *instance) restart(ctx context.Context) error {
	p := r.process()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of %s: %w", r.host, context.Cause(ctx))
	}
	return r.awaitReady(ctx)
}

// pooler is a PgBouncer in transaction mode.
type pooler struct {
	net  *network
	pair *pair
	dir  string

	mu      sync.Mutex
	current *process
}

func newPooler(t *testing.T, n *network, p *pair) *pooler {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgherald-outages-pool-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	pool := &pooler{net: n, pair: p, dir: dir}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Cleanup(pool.kill)
	if err := pool.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return pool
}

func (pool *pooler) url() string {
	return "postgres://herald@" + addresses[hostPooler] + ":6432/soak?sslmode=disable"
}

// configure writes the configuration, which names the primary of now.
func (pool *pooler) configure() error {
	text := fmt.Sprintf("[databases]\nsoak = host=%s port=5432 user=herald\n[pgbouncer]\nlisten_addr = *\nlisten_port = 6432\nunix_socket_dir =\n"+
		"auth_type = any\npool_mode = transaction\ndefault_pool_size = 10\nserver_login_retry = 1\n", addresses[pool.pair.primary().host])
	return os.WriteFile(filepath.Join(pool.dir, "pgbouncer.ini"), []byte(text), 0o644)
}

func (pool *pooler) start(ctx context.Context) error {
	if err := pool.configure(); err != nil {
		return err
	}
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	log, err := os.OpenFile(filepath.Join(pool.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, "-u", "nobody", filepath.Join(pool.dir, "pgbouncer.ini"))
	cmd.Stdout, cmd.Stderr = log, log
	p, err := pool.net.start(hostPooler, cmd)
	if err != nil {
		return err
	}
	pool.mu.Lock()
	pool.current = p
	pool.mu.Unlock()
	dial := pool.net.dialer(hostClients)
	listens := await(ctx, func() bool {
		conn, err := dial(ctx, "tcp", addresses[hostPooler]+":6432")
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if !listens {
		return fmt.Errorf("start PgBouncer: %w", context.Cause(ctx))
	}
	return nil
}

func (pool *pooler) process() *process {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	return pool.current
}

// follow makes PgBouncer connect to the new primary, as an operator does after a failover.
func (pool *pooler) follow() error {
	err := pool.configure()
	pool.process().signal(syscall.SIGHUP)
	return err
}

func (pool *pooler) kill() {
	if p := pool.process(); p != nil {
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
}

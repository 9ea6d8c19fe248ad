package outages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Hosts are the network namespaces, with their addresses on the bridge.
const (
	hostFirst    = "pg1" // the PostgreSQL that begins as the primary
	hostSecond   = "pg2" // the one that begins as its standby
	hostPooler   = "pool"
	hostClients  = "cl"
	hostWriters  = "wr"
	hostReplica  = "r" // r1, r2, r3
	hostRedis    = "redis"
	hostRelay    = "relay" // relay1, relay2
	hostEdge     = "e"     // e1, e2, e3
	replicaCount = 3
	relayCount   = 2
	edgeCount    = 3
)

var addresses = map[string]string{
	hostFirst: "10.77.0.10", hostSecond: "10.77.0.11", hostPooler: "10.77.0.12",
	"r1": "10.77.0.21", "r2": "10.77.0.22", "r3": "10.77.0.23", hostClients: "10.77.0.31", hostWriters: "10.77.0.32",
	hostRedis: "10.77.0.41", "relay1": "10.77.0.42", "relay2": "10.77.0.43", "e1": "10.77.0.51", "e2": "10.77.0.52", "e3": "10.77.0.53",
}

// network is a bridge with one namespace for each host. Nothing of it is reachable from elsewhere.
type network struct {
	prefix string // of the names of the namespaces
}

// newNetwork creates the namespaces.
func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root: tools/soak runs this test with sudo")
	}
	for _, program := range []string{"ip", "nft", "psql", "redis-server"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not installed: tools/setup installs it on Debian", program)
		}
	}
	removeAbandoned()
	n := &network{prefix: fmt.Sprintf(namePattern, os.Getpid())}
	t.Cleanup(n.remove)
	hub := n.prefix + "hub"
	if out, err := exec.Command("ip", "netns", "add", hub).CombinedOutput(); err != nil {
		t.Fatalf("network namespaces are not allowed here: %s", out)
	}
	lines := []string{"link add br0 type bridge", "link set br0 up", "link set lo up"}
	var port int
	for host := range addresses {
		if out, err := exec.Command("ip", "netns", "add", n.prefix+host).CombinedOutput(); err != nil {
			t.Fatalf("add a network namespace: %v: %s", err, out)
		}
		port++
		lines = append(lines,
			fmt.Sprintf("link add p%d type veth peer name eth0 netns %s", port, n.prefix+host),
			fmt.Sprintf("link set p%d master br0 up", port))
	}
	n.batch(t, hub, lines)
	for host, address := range addresses {
		n.batch(t, n.prefix+host, []string{"link set lo up", "addr add " + address + "/24 dev eth0", "link set eth0 up"})
	}
	return n
}

func (n *network) batch(t *testing.T, namespace string, lines []string) {
	t.Helper()
	cmd := exec.Command("ip", "-n", namespace, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("configure the network namespace %s: %v: %s", namespace, err, out)
	}
}

// remove ends what still runs in the namespaces and removes them.
func (n *network) remove() {
	for _, name := range namespaces() {
		if strings.HasPrefix(name, n.prefix) {
			removeNamespace(name)
		}
	}
}

// removeAbandoned removes the namespaces of tests that were killed.
func removeAbandoned() {
	for _, name := range namespaces() {
		var pid int
		if _, err := fmt.Sscanf(name, namePattern, &pid); err == nil && syscall.Kill(pid, 0) != nil {
			removeNamespace(name)
		}
	}
}

// namePattern is the pattern of the names of namespaces. The number is the test's process.
const namePattern = "pgherald-outages-%d-"

func namespaces() (names []string) {
	out, _ := exec.Command("ip", "netns", "list").Output()
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 0 {
			names = append(names, fields[0])
		}
	}
	return names
}

func removeNamespace(name string) {
	// PgBouncer changes its user, so it does not end with its parent.
	out, _ := exec.Command("ip", "netns", "pids", name).Output()
	for text := range strings.FieldsSeq(string(out)) {
		if pid, err := strconv.Atoi(text); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = exec.Command("ip", "netns", "del", name).Run()
}

// enter moves the calling thread into the namespace of a host and returns a function that moves it back.
func (n *network) enter(host string) (leave func() error, err error) {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	there, err := unix.Open("/run/netns/"+n.prefix+host, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(home)
		return nil, fmt.Errorf("open the network namespace of %s: %w", host, err)
	}
	defer unix.Close(there)
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		unix.Close(home)
		return nil, fmt.Errorf("enter the network namespace of %s: %w", host, err)
	}
	return func() error {
		defer unix.Close(home)
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			return err // the thread stays locked and ends with its goroutine
		}
		runtime.UnlockOSThread()
		return nil
	}, nil
}

// dialer returns a function that dials from a host. The addresses are literal, so that the calling thread opens the
// socket.
func (n *network) dialer(host string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		leave, err := n.enter(host)
		if err != nil {
			return nil, err
		}
		// A goroutine locked to a thread may wait for the connection: the socket is open by then.
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
		return conn, errors.Join(err, leave())
	}
}

// run runs a program on a host and returns its output.
func (n *network) run(ctx context.Context, host, input string, name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &out
	p, err := n.start(host, cmd)
	if err != nil {
		return "", err
	}
	<-p.ended
	if p.err != nil {
		return out.String(), fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), p.err, out.String())
	}
	return out.String(), nil
}

// process is a running program.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait, once ended is closed
}

// start starts a program on a host. The program ends with this process at the latest.
func (n *network) start(host string, cmd *exec.Cmd) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.ended)
		// The thread is never unlocked: it ends with this goroutine, and its child with it.
		if _, err := n.enter(host); err != nil {
			started <- err
			return
		}
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("start %s: %w", cmd.Path, err)
			return
		}
		started <- nil
		p.err = cmd.Wait()
	}()
	return p, <-started
}

func (p *process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) } // fails if it has ended

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// filter adds rules to what a host receives, until clear.
func (n *network) filter(ctx context.Context, host string, rules ...string) error {
	table := "table inet fault {\n chain input {\n type filter hook input priority 0; policy accept;\n " + strings.Join(rules, "\n ") + "\n }\n}\n"
	_, err := n.run(ctx, host, table, "nft", "-f", "-")
	return err
}

// clear removes the rules of all hosts.
func (n *network) clear(ctx context.Context) error {
	var errs []error
	for host := range addresses {
		_, err := n.run(ctx, host, "table inet fault\ndelete table inet fault\n", "nft", "-f", "-")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// from returns the start of a rule about packets of hosts.
func from(hosts ...string) string {
	list := make([]string, len(hosts))
	for i, host := range hosts {
		list[i] = addresses[host]
	}
	return "ip saddr { " + strings.Join(list, ", ") + " } "
}

// children returns the processes whose parent is pid.
func children(pid int) (found []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// After the name in parentheses: the state, then the parent.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			if child, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}

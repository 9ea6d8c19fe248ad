package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pgherald/pgherald/cmd/internal/e2e/judge"
	"github.com/pgherald/pgherald/db/pgtest"
)

// The build of the previous release takes as long as a build of everything, so that only make soak tests it.
var testUpgrade = flag.Bool("upgrade", false, "build the previous release, and run TestUpgrade")

// TestUpgrade moves from the previous release to this program and back under writes, with clients that move between servers all the
// time, in both directions. Both programs serve together before, during and after the migrations. Nothing is lost or repeated.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	if !*testUpgrade {
		t.Skip("run with -args -upgrade")
	}
	previous := buildPrevious(t)
	current := buildProgram(t)
	tr := newTrial(t, pgtest.EmptyDatabase(t), judge.Counters())
	u := &upgrade{trial: tr, spec: specFile(t, tr.table.Spec)}
	first, second := u.start(previous), u.start(previous)
	before := u.version()
	tr.subscribe(u.movers(8)...)
	tr.write(6, false)
	commits := func() { tr.waitCommits(60) }
	commits()
	third := u.start(current) // migrates, and installs its triggers
	if after := u.version(); after < before {
		t.Errorf("version %d of the tables follows %d", after, before)
	}
	commits()
	u.stop(first)
	commits()
	u.stop(second)
	commits()
	fourth := u.start(current)
	u.stop(third)
	commits()
	u.start(previous) // on the newer tables
	commits()
	u.stop(fourth)
	commits()
	tr.finish()
}

// movers returns clients that move between servers. Half of them leave often; the others when their server stops.
func (u *upgrade) movers(n int) (subs []*subscriber) {
	for i := range n {
		s := u.subscriber(fmt.Sprintf("moves between servers, %d", i))
		s.pick = u.pick(u.rng())
		if i%2 == 0 {
			rng := u.rng()
			s.shouldLeave = func(p progress) bool { return p.synced && p.transactions > 0 && rng.IntN(20) == 0 }
		}
		subs = append(subs, s)
	}
	return subs
}

// upgrade is the servers of a trial, as processes of several versions.
type upgrade struct {
	*trial
	spec string

	mu      sync.Mutex
	serving []*upgradeServer
}

type upgradeServer struct {
	node    node // for its URL
	program *program
}

// start starts a server. Clients use it from then on.
func (u *upgrade) start(binary string) *upgradeServer {
	u.t.Helper()
	s := &upgradeServer{}
	s.program, s.node.url = serveProgram(u.t, binary, u.url, "--spec="+u.spec, "--drain=1s", "--log-format=json")
	u.mu.Lock()
	defer u.mu.Unlock()
	u.serving = append(u.serving, s)
	return s
}

// stop drains a server, which no client uses from then on.
func (u *upgrade) stop(s *upgradeServer) {
	u.t.Helper()
	u.mu.Lock()
	if len(u.serving) > 1 {
		u.serving = slices.DeleteFunc(u.serving, func(other *upgradeServer) bool { return other == s })
	}
	u.mu.Unlock()
	s.program.signal(u.t, syscall.SIGTERM)
	<-s.program.ended
	if s.program.err != nil {
		u.t.Errorf("a server ended with %v", s.program.err)
	}
}

// pick returns the choices of a client among the servers of the moment.
func (u *upgrade) pick(rng *rand.Rand) func(int) *node {
	return func(int) *node {
		u.mu.Lock()
		defer u.mu.Unlock()
		return &u.serving[rng.IntN(len(u.serving))].node
	}
}

// version returns the version of the engine's tables.
func (u *upgrade) version() (version int) {
	u.t.Helper()
	conn := pgtest.Connect(u.t, u.url)
	err := conn.QueryRow(u.ctx, `select m.version from pgherald.migrations as m where m.set_name = 'engine'`).Scan(&version)
	if err != nil {
		u.t.Fatal(err)
	}
	return version
}

// previousRelease returns the commit of the newest tag of a release below HEAD, which may be a release itself. Before the first
// one, it is the commit that tools/previous-release names.
func previousRelease(t *testing.T) string {
	t.Helper()
	tag, err := exec.Command("git", "describe", "--tags", "--abbrev=0", "--match=v[0-9]*", "--exclude=*-*", "HEAD^").Output()
	if err != nil {
		text, err := os.ReadFile("../../../tools/previous-release")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	commit, err := exec.Command("git", "rev-parse", strings.TrimSpace(string(tag))+"^{commit}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(commit))
}

// buildPrevious builds the program of the previous release, once a machine. It skips the test where that commit is not there, as in a
// clone without history.
func buildPrevious(t *testing.T) string {
	t.Helper()
	commit := previousRelease(t)
	if err := exec.Command("git", "cat-file", "-e", commit+"^{commit}").Run(); err != nil {
		t.Skipf("the previous release, %s, is not in this clone: fetch the whole history (git fetch --unshallow)", commit)
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		caches = t.TempDir()
	}
	dir := filepath.Join(caches, "pgherald", "previous-"+commit)
	binary := filepath.Join(dir, "pgherald")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	source := t.TempDir()
	archive := exec.Command("sh", "-c", `git archive "$1" | tar -x -C "$2"`, "sh", commit, source)
	archive.Dir = "../../.." // of the whole tree
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("read the previous release: %v\n%s", err, out)
	}
	built := filepath.Join(source, "pgherald.built")
	build := exec.Command("go", "build", "-o", built, "./cmd/pgherald")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the previous release: %v\n%s", err, out)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(built, binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

// copyFile copies a program under another name first, so that no other test runs a part of it.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	part := fmt.Sprintf("%s.%d", to, os.Getpid())
	if err := os.WriteFile(part, text, 0o700); err != nil { //nolint:gosec // a program
		return err
	}
	return os.Rename(part, to)
}

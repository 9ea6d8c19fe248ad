// Package install_test installs, upgrades and removes the Debian package on this machine. tools/test-install makes the
// packages and runs it, as root.
package install_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

var (
	oldPackage = flag.String("deb.old", "", "package of a lower version")
	newPackage = flag.String("deb.new", "", "package of a higher version")
)

const (
	unitFile      = "/usr/lib/systemd/system/pgherald.service"
	relayUnitFile = "/usr/lib/systemd/system/pgherald-relay.service"
	configFile    = "/etc/pgherald/config.yaml"
	envFile       = "/etc/pgherald/env"
	relayEnvFile  = "/etc/pgherald/relay.env"
	specFile      = "/etc/pgherald/orders.yaml" // of an administrator
	// exposure is the worst score, times ten, that systemd-analyze security may give the unit.
	exposure = "15"
	// hang ends what should have ended long before. No test needs a fast machine.
	hang = 5 * time.Minute
)

func TestMain(m *testing.M) { pgtest.Main(m, nil) }

// TestPackage installs the old package, serves with it, upgrades it under a client that must lose nothing, and purges it.
func TestPackage(t *testing.T) {
	if *oldPackage == "" || *newPackage == "" {
		t.Skip("tools/test-install gives this test the packages")
	}
	before := files(t)
	t.Cleanup(func() {
		_ = exec.Command("dpkg", "--purge", "pgherald").Run()
		_ = os.RemoveAll(filepath.Dir(specFile)) // tools/test-install has seen that there was none
	})
	apt(t, "install", *oldPackage)
	checkInstalled(t)
	for _, file := range []string{unitFile, relayUnitFile} {
		checkUnit(t, file)
		checkWrongSettings(t, file)
	}
	checkSameSandbox(t)
	checkErase(t)

	database := prepareDatabase(t)
	configure(t, database)
	s := startUnit(t)
	run(t, "/usr/bin/pgherald", "healthcheck", "--config="+configFile)
	stream := follow(t, s.url)
	insert(t, database, 1, 20)
	stream.await(20)

	apt(t, "install", *newPackage) // the process goes on with the old program until the unit restarts it
	checkConfigured(t)
	insert(t, database, 21, 40)
	s.stop()
	insert(t, database, 41, 60) // no server runs
	again := startUnit(t)
	insert(t, database, 61, 80)
	stream.await(80)
	if old, now := s.version, again.version; old == now {
		t.Errorf("both servers have version %s", old)
	}
	stream.end()
	again.stop()

	apt(t, "purge", "pgherald")
	checkPurged(t, before)
}

// checkPurged checks that a purge left the administrator's spec, as root's, and nothing else.
func checkPurged(t *testing.T, before []string) {
	t.Helper()
	if _, err := user.Lookup("pgherald"); err == nil {
		t.Error("the user is left")
	}
	if got := strings.TrimSpace(run(t, "stat", "-c", "%U:%G:%a", specFile)); got != "root:root:640" {
		t.Errorf("the spec is %s, want root:root:640", got)
	}
	if err := os.RemoveAll(filepath.Dir(specFile)); err != nil {
		t.Fatal(err)
	}
	for _, path := range files(t) {
		if _, found := slices.BinarySearch(before, path); !found {
			t.Errorf("%s is left", path)
		}
	}
}

// files lists where packages put files, without what apt and other programs write meanwhile.
func files(t *testing.T) (paths []string) {
	t.Helper()
	for _, root := range []string{"/etc", "/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/usr/lib/sysusers.d", "/usr/share/man/man1", "/usr/share/doc",
		"/usr/share/bash-completion", "/usr/share/zsh", "/usr/share/fish", "/var/lib/systemd", "/var/lib/dpkg/info", "/var/log/pgherald", "/run/pgherald"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !strings.HasSuffix(path, "-") && (strings.Contains(path, "pgherald") || !d.IsDir()) {
				paths = append(paths, path)
			}
			return nil // a folder may be absent, or be removed meanwhile
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(paths)
	return paths
}

// run runs a command and returns its output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// apt runs apt-get, which takes the package's dependencies from this machine or from Debian. Other tests may use dpkg too.
func apt(t *testing.T, args ...string) {
	t.Helper()
	t.Log(run(t, "apt-get", append([]string{"-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Options::=--force-confdef"}, args...)...))
}

// checkInstalled checks the user and what the package consists of.
func checkInstalled(t *testing.T) {
	t.Helper()
	u, err := user.Lookup("pgherald")
	if err != nil || u.HomeDir != "/" {
		t.Fatalf("the user: %+v, %v", u, err)
	}
	checkConfigured(t)
	for _, path := range []string{"/usr/share/man/man1/pgherald-serve.1.gz", "/usr/share/bash-completion/completions/pgherald",
		"/usr/share/zsh/vendor-completions/_pgherald", "/usr/share/fish/vendor_completions.d/pgherald.fish"} {
		if info, err := os.Stat(path); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if out := run(t, "dpkg", "--verify", "pgherald"); out != "" {
		t.Errorf("dpkg --verify: %s", out)
	}
}

// checkConfigured checks who may read the settings.
func checkConfigured(t *testing.T) {
	t.Helper()
	if got := strings.TrimSpace(run(t, "stat", "-c", "%U:%G:%a", configFile)); got != "root:pgherald:640" {
		t.Errorf("the settings are %s, want root:pgherald:640", got)
	}
}

// checkUnit checks a unit as far as a machine can on which systemd does not run.
func checkUnit(t *testing.T, file string) {
	t.Helper()
	if out := run(t, "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", file); strings.Contains(out, "pgherald") {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	out := run(t, "systemd-analyze", "security", "--offline=true", "--threshold="+exposure, file)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Log(lines[len(lines)-1])
}

// checkSameSandbox checks that the relay's unit differs from the server's only in what is of the server alone.
func checkSameSandbox(t *testing.T) {
	t.Helper()
	server, relay := readUnit(t, unitFile), readUnit(t, relayUnitFile)
	for _, key := range []string{"Description", "After", "EnvironmentFile", "ExecStart", "LimitNOFILE", "TimerSlackNSec"} {
		delete(server, key)
		delete(relay, key)
	}
	if !maps.Equal(server, relay) {
		t.Errorf("the unit of the relay has %v, and that of the server %v", relay, server)
	}
}

// checkWrongSettings starts a unit's command with the settings as they come, which lack the database: systemd must not
// start it again and again.
func checkWrongSettings(t *testing.T, file string) {
	t.Helper()
	unit := readUnit(t, file)
	args := strings.Fields(unit["ExecStart"])
	command := exec.CommandContext(t.Context(), args[0], args[1:]...)
	command.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := command.CombinedOutput()
	if got := strconv.Itoa(command.ProcessState.ExitCode()); err == nil || got != unit["RestartPreventExitStatus"] {
		t.Errorf("exit code %s, and the unit starts it again after all but %s: %s", got, unit["RestartPreventExitStatus"], out)
	}
}

// checkErase runs the script as rpm does, which keeps changed settings: their group must not become free for another one.
func checkErase(t *testing.T) {
	t.Helper()
	run(t, "sh", "/var/lib/dpkg/info/pgherald.postrm", "0")
	if _, err := user.LookupGroup("pgherald"); err != nil {
		t.Errorf("rpm's removal leaves no group for the settings that it keeps: %v", err)
	}
}

// prepareDatabase creates an empty database for the server and returns its URL.
func prepareDatabase(t *testing.T) string {
	t.Helper()
	url := pgtest.EmptyDatabase(t)
	pgtest.Exec(t, pgtest.Connect(t, url), "create table public.orders (id integer primary key)")
	return url
}

// configure writes the settings, as an administrator does: into the file that the package brought, the file of variables, and
// a spec beside them.
func configure(t *testing.T, database string) {
	t.Helper()
	f, err := os.OpenFile(configFile, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "tables: [public.orders]\naddr: %s\ndrain: 100ms\n", pgtest.FreeAddr(t))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(envFile, []byte("DATABASE_URL="+database+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(relayEnvFile, []byte("PGHERALD_STREAM_URL=redis://localhost:6379/0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(specFile, []byte("# not read\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	run(t, "chown", "pgherald:pgherald", specFile)
	run(t, "chmod", "640", specFile)
}

// insert inserts rows, each in a transaction of its own.
func insert(t *testing.T, database string, from, to int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for id := from; id <= to; id++ {
		if _, err := conn.Exec(ctx, "insert into public.orders (id) values ($1)", id); err != nil {
			t.Fatal(err)
		}
	}
}

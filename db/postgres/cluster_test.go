package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestClusterSettings(t *testing.T) {
	c := startIn(t, testInstallation(t), filepath.Join(tempDir(t), "data"))
	want := map[string]string{
		"server_encoding": "UTF8", "lc_collate": "C", "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
		"fsync": "off", "synchronous_commit": "on", "shared_buffers": "16MB", "port": strconv.Itoa(c.Port()),
	}
	for name, value := range want {
		sql := "select current_setting('" + name + "', true)"
		if name == "lc_collate" {
			sql = "select datcollate::text from pg_database where datname = 'postgres'"
		}
		if got := query(t, c, sql); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

func TestStopStartKillKeepsData(t *testing.T) {
	inst, dir := testInstallation(t), filepath.Join(tempDir(t), "data")
	c := startIn(t, inst, dir)
	port := c.Port()
	run(t, c, "create table kept as select 42 as n")
	ends := map[string]func() error{"stop": func() error { return c.Stop(within(t)) }, "kill": c.Kill}
	for _, how := range []string{"stop", "kill", "kill", "stop"} {
		busy := occupy(t, c)
		done := c.Done()
		if err := ends[how](); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		<-done
		busy()
		if err := c.Err(); err != nil {
			t.Errorf("%s: Err returns %v after an expected end", how, err)
		}
		if err := c.Start(within(t)); err != nil {
			t.Fatalf("start after %s: %v", how, err)
		}
		if got := query(t, c, "select n from kept"); got != "42" || c.Port() != port {
			t.Errorf("after %s: got %s on port %d, want 42 on %d", how, got, c.Port(), port)
		}
	}
}

func TestUnexpectedEnd(t *testing.T) {
	c := startIn(t, testInstallation(t), filepath.Join(tempDir(t), "data"))
	process, err := os.FindProcess(c.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := quit(process); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	checkError(t, c.Err(), "immediate shutdown")
	if err := c.Stop(within(t)); err != nil {
		t.Errorf("stop an ended server: %v", err)
	}
	if err := c.Start(within(t)); err != nil {
		t.Errorf("start again: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	inst, dir := testInstallation(t), filepath.Join(tempDir(t), "data")
	c := startIn(t, inst, dir)

	_, err := Start(within(t), inst, ClusterOptions{DataDir: dir})
	checkError(t, err, fmt.Sprintf("a PostgreSQL server (pid %d, port %d) is running on it", c.PID(), c.Port()))

	other := inst
	other.Major++
	_, err = Start(within(t), other, ClusterOptions{DataDir: dir})
	checkError(t, err, fmt.Sprintf("belongs to PostgreSQL %d", inst.Major))

	_, err = Start(within(t), inst, ClusterOptions{DataDir: filepath.Dir(dir)})
	checkError(t, err, "holds files but no cluster")

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Start(within(t), inst, ClusterOptions{
		DataDir: filepath.Join(filepath.Dir(dir), "second"), Unsafe: true, Port: taken.Addr().(*net.TCPAddr).Port,
	})
	checkError(t, err, "could not bind")

	_, err = Start(within(t), inst, ClusterOptions{
		DataDir: filepath.Join(filepath.Dir(dir), "second"), Unsafe: true, Settings: map[string]string{"no_such": "1"},
	})
	checkError(t, err, "no_such")
	if got := query(t, c, "select 1"); got != "1" {
		t.Error("a refused start ended the running server")
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	inst, parent := testInstallation(t), tempDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ctx, inst, ClusterOptions{DataDir: filepath.Join(parent, "data"), Unsafe: true})
	checkError(t, err, "context canceled")
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// After a crash, another program may get the server's process id, and the server's user may be allowed to
// signal it.
func TestStaleLock(t *testing.T) {
	c := startIn(t, testInstallation(t), filepath.Join(tempDir(t), "data"))
	lockText, err := os.ReadFile(lockFile(c.DataDir()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "600")
	c.account.prepare(cmd)
	stranger, err := spawn(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { <-stranger.done }()
	defer killPID(stranger.pid())

	if holder(stranger.pid(), c.DataDir()) != holderOther {
		t.Skip("this system does not show the working directory of a process")
	}
	locks := map[string]string{
		"a stranger's": strings.Replace(string(lockText), strconv.Itoa(c.PID()), strconv.Itoa(stranger.pid()), 1),
		"torn":         "",
	}
	for name, text := range locks {
		if err := os.WriteFile(lockFile(c.DataDir()), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(within(t)); err != nil {
			t.Errorf("start with a lock that is %s: %v", name, err)
		}
		if err := c.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopInNoTime(t *testing.T) {
	c := startIn(t, testInstallation(t), filepath.Join(tempDir(t), "data"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// The stop may also finish before the context ends.
	if err := c.Stop(ctx); err != nil {
		checkError(t, err, "it was stopped in immediate mode")
	}
	<-c.Done()
	if alive(c.PID()) {
		t.Error("the server still runs")
	}
}

// In a container, pgherald often runs as root. Then the server's user cannot enter root's own directories.
func TestRootAndItsHome(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as another user")
	}
	private := t.TempDir() // 0700 above
	_, err := Start(within(t), testInstallation(t), ClusterOptions{DataDir: filepath.Join(private, "data")})
	checkError(t, err, "may not pass "+filepath.Dir(private))
	dataDir, dataErr := DefaultDataDir()
	cacheDir, cacheErr := DefaultCacheDir()
	if strings.HasPrefix(dataDir+cacheDir, "/root") || dataErr != nil || cacheErr != nil {
		t.Errorf("the defaults are %q, %v and %q, %v", dataDir, dataErr, cacheDir, cacheErr)
	}
}

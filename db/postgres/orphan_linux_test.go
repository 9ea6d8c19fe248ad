package postgres

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestServerEndsWithItsParent kills the parent with SIGKILL and then starts a server on the same data directory.
func TestServerEndsWithItsParent(t *testing.T) {
	dir := filepath.Join(tempDir(t), "data")
	parent := exec.CommandContext(within(t), os.Args[0])
	parent.Env = append(os.Environ(), helperEnv+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !alive(pid) {
		t.Errorf("the helper printed %q, %v", line, readErr)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = parent.Wait() // returns "signal: killed"
	if t.Failed() {
		return
	}
	// Start at once: the old server may still be shutting down.
	c := startIn(t, testInstallation(t), dir)
	if alive(pid) {
		t.Errorf("the server %d outlived its parent", pid)
	}
	if got := query(t, c, "select 1"); got != "1" {
		t.Errorf("got %s", got)
	}
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// grace is the time for which freeDataDir waits for a server to release the data directory: a server whose
// parent was just killed needs a moment to end.
const grace = time.Second

// lock is the content of a server's lock file.
type lock struct {
	pid    int // 0 if not written yet, or lost in a crash of the machine
	port   string
	status string // "starting", "ready", "stopping", "standby"
}

func lockFile(dataDir string) string { return filepath.Join(dataDir, "postmaster.pid") }

func readLock(dataDir string) (lock, error) {
	text, err := os.ReadFile(lockFile(dataDir))
	if err != nil {
		return lock{}, err
	}
	lines := append(strings.Split(string(text), "\n"), make([]string, 8)...)
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		pid = 0
	}
	return lock{pid: pid, port: strings.TrimSpace(lines[3]), status: strings.TrimSpace(lines[7])}, nil
}

// freeDataDir waits until no server uses the data directory. It removes a stale lock file only where PostgreSQL
// would mistake it for a server's: if its process id now belongs to another program, or if it is torn.
func freeDataDir(ctx context.Context, dir string) error {
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	overdue := false
	for {
		current, err := readLock(dir)
		if err != nil {
			return ignoreAbsent(err)
		}
		switch holder := current.holder(dir); {
		case holder == holderNone:
			return nil
		case holder == holderOther, overdue && current.pid == 0:
			return ignoreAbsent(os.Remove(lockFile(dir)))
		case overdue && current.status != "stopping":
			return fmt.Errorf("use the data directory %s: a PostgreSQL server (pid %d, port %s) is running on it; "+
				"stop it, or use it by its URL, or give another directory", dir, current.pid, current.port)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			overdue = true
		case <-ctx.Done():
			return fmt.Errorf("wait for the server with pid %d to release the data directory: %w", current.pid, ctx.Err())
		}
	}
}

// holder returns what kind of process holds the lock. If the lock file has no process id, a server may be
// writing it, so it counts as held by the server.
func (l lock) holder(dataDir string) holding {
	if l.pid == 0 {
		return holderServer
	}
	return holder(l.pid, dataDir)
}

func ignoreAbsent(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("look for a running server: %w", err)
}

// holding says what kind of process has the id in a lock file.
type holding int

const (
	holderNone   holding = iota // none, or unknown: Postgres decides
	holderServer                // the server of this data directory
	holderOther                 // another program with the id of a dead server
)

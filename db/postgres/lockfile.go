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

// grace is how long a server that holds the data directory may go on before it
// counts as running: one whose parent was killed a moment ago is about to end.
const grace = time.Second

// lock is what a running server says in its lock file.
type lock struct {
	pid    int // 0: not written yet, or torn by a crash of the machine
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

// freeDataDir returns when no server holds the data directory. A lock that a
// crash has left behind is Postgres's own business, except when its process id
// belongs to another program by now, or it is torn: Postgres would take either
// for a server.
func freeDataDir(ctx context.Context, dir string) error {
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	overdue := false
	for {
		held, err := readLock(dir)
		if err != nil {
			return ignoreAbsent(err)
		}
		switch who := held.holder(dir); {
		case who == holderNone:
			return nil
		case who == holderOther, overdue && held.pid == 0:
			return ignoreAbsent(os.Remove(lockFile(dir)))
		case overdue && held.status != "stopping":
			return fmt.Errorf("use the data directory %s: a PostgreSQL server (pid %d, port %s) is running on it; "+
				"stop that one, or use it by its URL, or give another directory", dir, held.pid, held.port)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			overdue = true
		case <-ctx.Done():
			return fmt.Errorf("wait for the server with pid %d to leave the data directory: %w", held.pid, ctx.Err())
		}
	}
}

// holder takes a lock without a process for one that a server is writing.
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
	return fmt.Errorf("look for a server that runs already: %w", err)
}

// Who a process id in a lock file belongs to.
type holding int

const (
	holderNone   holding = iota // nobody, or nobody that we could tell: Postgres decides
	holderServer                // the server of this data directory
	holderOther                 // some other program, which got the id of a dead server
)

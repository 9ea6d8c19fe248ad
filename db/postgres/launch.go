package postgres

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	loopback = "127.0.0.1"

	// maxLogSize is the size in bytes above which a start truncates the log, which is not rotated.
	maxLogSize = 16 << 20
)

var errPortTaken = errors.New("start PostgreSQL: the port is in use by another program")

// launch starts the server process. It does not wait until the server is ready.
func (c *Cluster) launch() (*child, error) {
	log, err := c.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor
	info, err := log.Stat()
	if err != nil {
		return nil, fmt.Errorf("measure the server's log: %w", err)
	}
	cmd := exec.Command(filepath.Join(c.inst.BinDir, "postgres"), c.args()...)
	cmd.Stdout, cmd.Stderr = log, log
	c.account.prepare(cmd)
	started, err := spawn(cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.inst, err)
	}
	started.log, started.logStart = c.logFile(), info.Size()
	return started, nil
}

// args returns the command line. Settings on the command line override those in postgresql.conf.
func (c *Cluster) args() []string {
	settings := map[string]string{"log_destination": "stderr", "logging_collector": "off"}
	if c.opts.Unsafe {
		// synchronous_commit stays on: without it a commit returns before it is in the WAL, and tests
		// would see an order of events that production does not have.
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, c.opts.Settings)
	settings["listen_addresses"] = loopback
	settings["unix_socket_directories"] = ""
	settings["port"] = strconv.Itoa(c.Port())

	args := []string{"-D", c.opts.DataDir}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// freePort finds a port below the ephemeral range (32768 and up on Linux). An outgoing connection of another
// program could take an ephemeral port while the server restarts, and a client that dials one while the
// server is down can even connect to itself.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 15000 + rand.IntN(17000)
		var listener net.Listener
		listener, err = net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// serverEnv returns the environment for the server: without PGDATA, PGOPTIONS and the like, and with English
// messages, since this package parses a few of them.
func serverEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") ||
			strings.HasPrefix(entry, "LANG")
	})
	return append(env, "LC_ALL=C")
}

// tailOf returns the last lines of a log, but none before the offset start.
func tailOf(file string, start int64) string {
	const most = 8 << 10
	f, err := os.Open(file)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size()-start > most {
		start = info.Size() - most
	}
	text, err := io.ReadAll(io.NewSectionReader(f, start, most))
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return lastLines(string(text), 20)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

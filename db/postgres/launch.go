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

	// maxLogSize is when a new start begins the log anew: nobody rotates it.
	maxLogSize = 16 << 20
)

var errPortTaken = errors.New("start PostgreSQL: the port is in use by another program")

// launch starts the server's process and does not wait for it to be ready.
func (c *Cluster) launch() (*child, error) {
	log, err := c.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own by then
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

// args hands every setting over on the command line, where it wins over what
// an earlier start, or the user, has left in postgresql.conf.
func (c *Cluster) args() []string {
	settings := map[string]string{"log_destination": "stderr", "logging_collector": "off"}
	if c.opts.Unsafe {
		// Not synchronous_commit: without it a commit returns before it is
		// in the log, and tests would see an order that production has not.
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

// freePort looks below the ports that the system gives to outgoing connections
// (32768 and up on Linux). Among those, another program's connection could hold
// the port while the server restarts, and a client that dials it while the
// server is down can even be connected to itself.
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

// serverEnv is our environment without what would reach into the server:
// PGDATA, PGOPTIONS and the like, and the language of its messages, of which
// we read a few.
func serverEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") ||
			strings.HasPrefix(entry, "LANG")
	})
	return append(env, "LC_ALL=C")
}

// tailOf reads the last few lines that were written to a log after start.
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

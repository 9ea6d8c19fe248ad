// Command gotest runs `go test` with its arguments and reports progress: each package when it begins and ends,
// every half minute the tests that run, and at the end the slowest tests. Of a package that fails it prints the
// output of the tests that failed. It ends a package in which nothing happens, long before the limit of `go test` does, and prints
// its goroutines. It exits with the status of `go test`.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// reportInterval is the time between two reports of the tests that run.
const reportInterval = 30 * time.Second

func main() {
	status, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	os.Exit(status)
}

// run returns the status of `go test`.
func run(args []string, out io.Writer) (int, error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Path}}\n{{.Dir}}").Output()
	if err != nil {
		return 1, fmt.Errorf("find the module: %w", err)
	}
	name, dir, _ := strings.Cut(strings.TrimSpace(string(module)), "\n")
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("start go test: %w", err)
	}
	r := newReport(out, name, time.Now())
	r.quietLimit = quietLimit(args)
	r.dump = func(of string) bool { return dumpStacks(cmd.Process.Pid, filepath.Join(dir, of)) }
	follow(r, pipe)
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(1, exit.ExitCode()), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run go test: %w", err)
	}
	return 0, nil
}

// follow feeds a report with the lines of a stream until it ends.
func follow(r *report, stream io.Reader) {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		in := bufio.NewReader(stream)
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 0 {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	interval := time.NewTicker(reportInterval)
	defer interval.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				r.end(time.Now())
				return
			}
			r.add(line, time.Now())
		case now := <-interval.C:
			r.running(now)
			r.endStuck(now)
		}
	}
}

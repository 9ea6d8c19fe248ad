package e2e

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// concurrentTests is the number of tests that run at a time, unless -parallel is set. Most of them wait, for time-outs and
// for processes, so there are more than processors.
const concurrentTests = 8

// programDir is the directory of what tests build. It must be a global variable: a test has no other way to reach a value
// that TestMain creates.
var programDir string

// TestMain gives tests databases that are empty: serve makes its own tables.
func TestMain(m *testing.M) {
	if readAsChild() {
		return
	}
	flag.Parse()
	isSet := false
	flag.Visit(func(f *flag.Flag) { isSet = isSet || f.Name == "test.parallel" })
	if !isSet {
		_ = flag.Set("test.parallel", strconv.Itoa(concurrentTests)) // a positive number is valid
	}
	pgtest.Main(suite{m}, nil)
}

// suite is the tests with the directory that they need.
type suite struct{ tests *testing.M }

// Run runs the tests and returns their status.
func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "pgherald-test-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "create a directory for programs:", err)
		return 1
	}
	programDir = dir
	code := s.tests.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "remove the directory of programs:", err)
		return max(code, 1)
	}
	return code
}

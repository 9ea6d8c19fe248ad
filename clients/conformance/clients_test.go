package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// needClients skips a test of a client in another language, unless tools/test-conformance runs it.
func needClients(t *testing.T) {
	t.Helper()
	if os.Getenv("PGHERALD_TEST_CLIENTS") == "" {
		t.Skip("tools/test-conformance runs this")
	}
}

// findPython returns a Python that can run clients/python. The one in PATH may lack the httpx of the system.
func findPython(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import sys, httpx; assert sys.version_info >= (3, 11)").Run() == nil {
			return python
		}
	}
	t.Fatal("there is no Python 3.11 with httpx: tools/setup installs it on Debian")
	return ""
}

func TestPython(t *testing.T) {
	needClients(t)
	python := findPython(t)
	for _, kind := range []string{"sync", "async"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			testAll(t, startAdapter(t, python, filepath.Join("adapters", "python", "adapter.py"), kind))
		})
	}
}

// TestNPM tests the build of web/client.
func TestNPM(t *testing.T) {
	needClients(t)
	node := os.Getenv("PGHERALD_TEST_NODE")
	if node == "" {
		t.Skip("tools/test-conformance found no node 20")
	}
	testAll(t, startAdapter(t, node, filepath.Join("adapters", "npm", "adapter.mjs")))
}

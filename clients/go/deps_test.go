package pgherald

import (
	"os/exec"
	"strings"
	"testing"
)

// A program that imports the package gets nothing of the server, and no other module.
func TestThePackageNeedsTheStandardLibraryOnly(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".", "./pgheraldtest").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	want := "github.com/pgherald/pgherald/clients/go github.com/pgherald/pgherald/clients/go/pgheraldtest"
	if strings.Join(got, " ") != want {
		t.Errorf("go list -deps = %q, want %q", got, want)
	}
}

package e2e

import (
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// testStartErrors checks exit codes and messages of a server that cannot start.
func testStartErrors(t *testing.T, binary string) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	database := pgtest.NewDatabase(t)
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"port in use":      {[]string{"--database-url=" + database, "--addr=" + taken.Addr().String()}, 1, []string{"pgherald: serve on " + taken.Addr().String(), "address already in use"}},
		"bad URL":          {[]string{"--database-url=postgres://%zz"}, 64, []string{"--database-url", "cannot parse"}},
		"database down":    {[]string{"--database-url=postgres://postgres@127.0.0.1:1/x", "--wait=0"}, 1, []string{"pgherald: connect to the database", "127.0.0.1:1", "connection refused"}},
		"wrong role":       {[]string{"--database-url=" + strings.Replace(database, "//postgres@", "//absent_role@", 1)}, 1, []string{"pgherald: connect to the database", "absent_role"}},
		"no such database": {[]string{"--database-url=" + strings.Replace(database, "/test_", "/absent_", 1)}, 1, []string{"pgherald: connect to the database", "does not exist"}},
		"short wait":       {[]string{"--database-url=postgres://postgres@127.0.0.1:1/x", "--wait=50ms"}, 1, []string{"wait 50ms for the database", "connection refused"}},
		"bad wait":         {[]string{"--database-url=" + database, "--wait=soon"}, 64, []string{"--wait", "forever"}},
		"no database":      {[]string{}, 64, []string{"--database-url"}},
		"unknown flag":     {[]string{"--database-url=" + database, "--databse=x"}, 64, []string{"unknown flag --databse"}},
		"bad duration":     {[]string{"--database-url=" + database, "--heartbeat=0s"}, 64, []string{"--heartbeat must be more than 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"serve", "--addr=127.0.0.1:0"}, c.args...)
			p := startProgram(t, binary, args...)
			<-p.ended
			text := p.log.String()
			var exit *exec.ExitError
			if !errors.As(p.err, &exit) || exit.ExitCode() != c.code {
				t.Errorf("%v ended with %v, want exit code %d", args, p.err, c.code)
			}
			for _, words := range c.want {
				if !strings.Contains(text, words) {
					t.Errorf("%v does not mention %q:\n%s", args, words, text)
				}
			}
		})
	}
}

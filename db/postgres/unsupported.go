//go:build !unix

package postgres

import (
	"errors"
	"os"
	"os/exec"
)

// account is a stub: this system cannot run the server as another user.
type account struct{}

// serverAccount refuses every start, so the stubs below are never called.
func serverAccount(string) (*account, error) {
	return nil, errors.New("run PostgreSQL as a child process: this system is not supported; give the URL of a running server")
}

func (*account) own(string) error      { return errors.ErrUnsupported }
func (*account) canReach(string) error { return errors.ErrUnsupported }
func (*account) prepare(*exec.Cmd)     {}

func interrupt(p *os.Process) error { return p.Kill() }
func quit(p *os.Process) error      { return p.Kill() }
func killPID(int)                   {}
func alive(int) bool                { return false }
func freeze(int) []int              { return nil }
func holder(int, string) holding    { return holderNone }

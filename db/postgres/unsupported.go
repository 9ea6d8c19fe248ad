//go:build !unix

package postgres

import (
	"errors"
	"os"
	"os/exec"
)

// account stands for what this system has not.
type account struct{}

// serverAccount is asked first by every start, so nothing below is reached.
func serverAccount(string) (*account, error) {
	return nil, errors.New("run a PostgreSQL of our own: not done on this system; give the URL of a running server")
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

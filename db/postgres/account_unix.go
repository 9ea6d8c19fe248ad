//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that the server runs as when we are root, whom Postgres
// refuses. A nil account is ourselves.
type account struct {
	name     string
	uid, gid uint32
}

// serverAccount is nil unless we are root. Then it is the owner of the data
// directory, if there is one: a user called postgres may have come after it.
func serverAccount(dataDir string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if info, err := os.Stat(filepath.Join(dataDir, "PG_VERSION")); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
			return &account{name: "user " + strconv.Itoa(int(owner.Uid)), uid: owner.Uid, gid: owner.Gid}, nil
		}
	}
	var errs []error
	for _, name := range []string{"postgres", "nobody"} {
		found, err := lookup(name)
		if err == nil {
			return found, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("choose a user for PostgreSQL, which does not run as root: %w", errors.Join(errs...))
}

func lookup(name string) (*account, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, err
	}
	return &account{name: "user " + name, uid: uint32(uid), gid: uint32(gid)}, nil
}

// own gives a file to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// prepare makes cmd run as the account, in a process group of its own: Ctrl-C
// is for us, who stop the server when its clients are gone.
func (a *account) prepare(cmd *exec.Cmd) {
	cmd.Env = serverEnv()
	cmd.Dir = "/" // ours may be one that the account cannot enter
	cmd.SysProcAttr = endsWithParent()
	cmd.SysProcAttr.Setpgid = true
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// canReach finds the directory on the way that the account may not pass, which
// Postgres would report as something else.
func (a *account) canReach(path string) error {
	if a == nil {
		return nil
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("look for %s: %w", path, err)
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look for %s: %w", path, err)
		}
		if !a.mayPass(info) {
			return fmt.Errorf("use %s: PostgreSQL does not run as root, and %s, as whom it would run, may not pass %s (mode %04o); choose a directory outside",
				path, a.name, dir, info.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (a *account) mayPass(info fs.FileInfo) bool {
	bit := fs.FileMode(0o001)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == a.uid {
		bit = 0o100
	} else if ok && owner.Gid == a.gid {
		bit = 0o010
	}
	return info.Mode()&bit != 0
}

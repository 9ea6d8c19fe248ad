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

// account is the user that runs the server if this process runs as root, which PostgreSQL refuses. A nil account
// means the current user.
type account struct {
	name     string
	uid, gid uint32
}

// serverAccount returns nil unless this process runs as root. For root it returns the owner of the data
// directory; if there is none, the user postgres; if there is no such user, nobody. It prefers the owner
// because the user postgres may have been created after the data.
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

// own makes the account the owner of a file.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// prepare makes cmd run as the account and in its own process group, so that Ctrl-C reaches only this process.
// This process stops the server after the server's clients.
func (a *account) prepare(cmd *exec.Cmd) {
	cmd.Env = serverEnv()
	cmd.Dir = "/" // the account may not be able to enter the current directory
	cmd.SysProcAttr = endsWithParent()
	cmd.SysProcAttr.Setpgid = true
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// canReach returns an error that names the first directory on the path that the account cannot enter.
// PostgreSQL would report another cause.
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
			return fmt.Errorf("use %s: PostgreSQL does not run as root but as %s, which may not pass %s (mode %04o); choose a directory outside",
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

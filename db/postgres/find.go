package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// MinMajor is the oldest supported major version of PostgreSQL. The log needs the type xid8, and the tests
// need DROP DATABASE WITH (FORCE).
const MinMajor = 13

// Sources of an Installation.
const (
	SourceExplicit = "--pg-bin"
	SourcePath     = "PATH"
	SourceSystem   = "system"
	SourceCache    = "cache"
	SourceNPM      = "npm"
)

// Options configure Find.
type Options struct {
	BinDir   string       // the only installation to use; empty means any
	CacheDir string       // directory of fetched servers; empty means DefaultCacheDir
	Major    int          // the only major version to accept, see DataVersion; 0 means any
	Fetch    bool         // fetch a server with npm if none is installed
	Log      *slog.Logger // receives a line before a download; nil discards it
}

// Installation is a set of PostgreSQL programs that run on this machine.
type Installation struct {
	BinDir  string
	Major   int
	Version string // as the server reports it, such as "15.14"
	Source  string // one of the Source constants
}

// String describes the installation for logs and errors.
func (i Installation) String() string {
	return fmt.Sprintf("PostgreSQL %s in %s (%s)", i.Version, i.BinDir, i.Source)
}

// Find returns a PostgreSQL installation. It prefers, in this order: the one in Options.BinDir, the newest
// installed one, the one fetched earlier, and one from npm if Options.Fetch allows it. If Options.BinDir is
// unusable, Find returns an error and does not search elsewhere.
func Find(ctx context.Context, o Options) (Installation, error) {
	f := finder{root: "/", path: filepath.SplitList(os.Getenv("PATH")), pkgs: pinnedPackages()}
	return f.find(ctx, o)
}

// finder holds what Find reads from the machine, so that a test can replace it.
type finder struct {
	root string       // the file system's root
	path []string     // the directories of PATH
	pkgs []npmPackage // the packages to fetch, the newest first; none for some platforms
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

// fetched returns the server in the cache, or fetches one into it.
func (f finder) fetched(ctx context.Context, o Options, seen []string) (Installation, error) {
	pkg, ok := f.pinnedFor(o.Major)
	if !ok {
		return Installation{}, nothingFound(o, seen, "")
	}
	inst, err := inspect(ctx, pkg.binDir(o.CacheDir), SourceCache)
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
	return pkg.fetch(ctx, npm, o)
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
	return fmt.Errorf("find %s: %s; install it (%s), %sor name its directory (%s DIR), or give the URL of a running server",
		wanted, found, installHint(), also, SourceExplicit)
}

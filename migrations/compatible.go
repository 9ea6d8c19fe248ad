package migrations

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
)

// A migration that older programs can live with says so in its first line, with the lowest version of a program that can:
//
//	-- compatible-from: 13
//
// Up stores the highest such version of all files of a set beside the version. A program that knows fewer files then
// knows whether it may use the tables: a server that restarts during a deployment, or after going back to it. A file
// that says nothing needs a program that knows it.
var compatibleLine = regexp.MustCompile(`^-- compatible-from: (\d+)\n`)

// compatibleFrom returns the lowest version of a program that may use the set's tables at a version.
func (s Set) compatibleFrom(version uint) (lowest uint, err error) {
	files, err := s.upFiles()
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if f.version > version {
			break
		}
		needs, err := s.needs(f)
		if err != nil {
			return 0, err
		}
		lowest = max(lowest, needs)
	}
	return lowest, nil
}

// needs returns the lowest version of a program that may use the tables after a file.
func (s Set) needs(f file) (uint, error) {
	text, err := fs.ReadFile(s.Files(), f.name)
	if err != nil {
		return 0, fmt.Errorf("read a migration: %w", err)
	}
	match := compatibleLine.FindSubmatch(text)
	if match == nil {
		return f.version, nil
	}
	version, err := strconv.ParseUint(string(match[1]), 10, 32)
	if err != nil || uint(version) > f.version {
		return 0, fmt.Errorf("read %s: compatible-from names no earlier version", f.name)
	}
	return uint(version), nil
}

// latest returns the version of this program.
func (s Set) latest() (uint, error) {
	files, err := s.upFiles()
	if err != nil {
		return 0, err
	}
	return files[len(files)-1].version, nil
}

// IsNewer reports whether a newer program made the tables.
func (s Status) IsNewer() bool { return s.Version > s.Latest }

// IsCompatible reports whether this program may use tables that a newer one made. It is false for other tables.
func (s Status) IsCompatible() bool {
	return s.IsNewer() && s.CompatibleFrom != 0 && s.CompatibleFrom <= s.Latest && !s.Dirty && !s.Unknown
}

// NewerError reports tables of a newer program that this one must not use.
type NewerError struct{ Status }

// Error says what to do.
func (e *NewerError) Error() string {
	needs := e.CompatibleFrom
	if needs == 0 {
		needs = e.Version
	}
	return fmt.Sprintf("the tables of %s have version %d, which needs a program that knows version %d, and this one knows %d only: "+
		"use a newer pgherald; to go back, restore a dump of before, or remove the tables with the newer program",
		e.Set, e.Version, needs, e.Latest)
}

// checkNewer reports whether a newer program made the tables: then there is nothing to migrate. It returns a *NewerError
// if this program must not use them.
func (s Set) checkNewer(c current) (newer bool, err error) {
	st, err := s.statusOf(c)
	if err != nil || !st.IsNewer() {
		return false, err
	}
	if !st.IsCompatible() {
		return true, &NewerError{st}
	}
	return true, nil
}

// statusOf returns the status that a database has.
func (s Set) statusOf(c current) (Status, error) {
	latest, err := s.latest()
	if err != nil {
		return Status{}, err
	}
	st := Status{Set: s.Name, Latest: latest, Unknown: c.unknown}
	if c.row != nil {
		st.Version, st.Dirty, st.CompatibleFrom = c.row.version, c.row.dirty, c.row.compatibleFrom
	}
	return st, nil
}

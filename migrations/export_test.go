package migrations

import "io/fs"

// WithFiles returns the set of a program with other files.
func (s Set) WithFiles(files fs.FS) Set {
	s.files = files
	return s
}

package migrations_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A database in LATIN1 has no room for most characters, not even in a comment: PostgreSQL refuses the whole statement.
func TestMigrationsAreASCII(t *testing.T) {
	t.Parallel()
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".sql") {
			return err
		}
		seen++
		text, err := os.ReadFile(path)
		for i, c := range text {
			if c >= 0x80 {
				t.Errorf("%s, line %d: a character that is not ASCII", path, strings.Count(string(text[:i]), "\n")+1)
				break
			}
		}
		return err
	})
	if err != nil || seen < 40 {
		t.Errorf("%d files, %v", seen, err)
	}
}

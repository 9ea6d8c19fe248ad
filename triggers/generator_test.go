package triggers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// releasedFile names the release whose generated SQL was recorded last: its version, its generator, and the hash of
// its golden files. It is empty before the first release.
const releasedFile = "testdata/released.txt"

// A program with a lower generator must not replace the triggers of one with a higher: so two releases that generate
// different SQL need different numbers. The golden files stand for everything that generate returns.
func TestGeneratorIsRaised(t *testing.T) {
	changelog, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	released, err := os.ReadFile(releasedFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkGenerator(string(changelog), string(released), generator, hashGolden(t)); err != nil {
		t.Error(err)
	}
}

// hashGolden returns the hash of the names and contents of all golden files.
func hashGolden(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.sql") // sorted
	if err != nil || len(files) == 0 {
		t.Fatalf("find the golden files: %v", err)
	}
	sum := sha256.New()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(file), len(text), text)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// releaseHeading matches "## [1.2.3] - 2027-01-31", in the style of Keep a Changelog, but not "## Unreleased".
var releaseHeading = regexp.MustCompile(`(?m)^## \[?v?(\d+\.\d+\.\d+[^\]\s]*)`)

// checkGenerator returns an error that says what to do if the golden files with this hash need another generator, or
// if the newest release of the changelog is not recorded.
func checkGenerator(changelog, released string, generator int, hash string) error {
	newest := releaseHeading.FindStringSubmatch(changelog)
	if newest == nil {
		if strings.TrimSpace(released) != "" {
			return fmt.Errorf("%s records a release, and the changelog has none: empty the file", releasedFile)
		}
		return nil // nothing is installed anywhere: the first release may still change generator 1
	}
	var version, releasedHash string
	var releasedGenerator int
	if _, err := fmt.Sscan(released, &version, &releasedGenerator, &releasedHash); err != nil || version != newest[1] {
		return fmt.Errorf("record what release %s generates: write this line, and no other, into triggers/%s, in the commit of the release:\n%s %d %s",
			newest[1], releasedFile, newest[1], generator, hash)
	}
	switch {
	case generator < releasedGenerator:
		return fmt.Errorf("raise the constant generator (triggers/record.go) from %d to %d, as release %s has it", generator, releasedGenerator, version)
	case generator == releasedGenerator && hash != releasedHash:
		return fmt.Errorf("raise the constant generator (triggers/record.go) to %d: the golden files differ from those of release %s, "+
			"which has generator %d too. With one number, a server of that release and one of this program would take turns in replacing each other's triggers",
			generator+1, version, generator)
	}
	return nil
}

func TestCheckGenerator(t *testing.T) {
	const unreleased = "# Changelog\n\n## Unreleased\n\n* 1.2.3 of something\n"
	const first = unreleased + "\n## [1.0.0] - 2027-01-31\n\n### Added\n"
	const second = unreleased + "\n## [1.1.0] - 2027-03-01\n\n## [1.0.0] - 2027-01-31\n"
	tests := []struct {
		name, changelog, released string
		generator                 int
		hash                      string
		want                      string // a part of the error; empty for none
	}{
		{"before the first release", unreleased, "", 1, "b", ""},
		{"a record without a release", unreleased, "1.0.0 1 a\n", 1, "a", "empty the file"},
		{"a release that is not recorded", first, "", 1, "a", "\n1.0.0 1 a"},
		{"a second release that is not recorded", second, "1.0.0 1 a\n", 2, "b", "\n1.1.0 2 b"},
		{"a record that is no record", first, "1.0.0", 1, "a", "\n1.0.0 1 a"},
		{"nothing changed", first, "1.0.0 1 a\n", 1, "a", ""},
		{"changed, not raised", first, "1.0.0 1 a\n", 1, "b", "raise the constant generator (triggers/record.go) to 2"},
		{"changed and raised", first, "1.0.0 1 a\n", 2, "b", ""},
		{"changed back and raised", first, "1.0.0 1 a\n", 2, "a", ""},
		{"lowered", second, "1.1.0 2 b\n", 1, "a", "from 1 to 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checkGenerator(tt.changelog, tt.released, tt.generator, tt.hash)
			if err == nil {
				err = errors.New("")
			}
			if got := err.Error(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got the error %q, want one with %q", got, tt.want)
			}
		})
	}
}

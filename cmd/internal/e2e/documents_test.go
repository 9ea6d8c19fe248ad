package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// declaredTests returns the names of the tests that there are.
func declaredTests(t *testing.T, root string) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, found := range declared.FindAllStringSubmatch(string(text), -1) {
			known[found[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// TestDocumentsNameTests checks that the tests exist that the documents name as evidence.
func TestDocumentsNameTests(t *testing.T) {
	const root = "../../.."
	known := declaredTests(t, root)
	named := regexp.MustCompile("`(Test\\w+)`")
	for _, name := range []string{"threat-model.md", "guarantees.md"} {
		text, err := os.ReadFile(filepath.Join(root, "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("docs/%s names no test", name)
		}
		for _, f := range found {
			if !known[f[1]] {
				t.Errorf("docs/%s names %s, which does not exist", name, f[1])
			}
		}
	}
}

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// bundledPackage matches the comment that esbuild writes above the code of an npm package.
var bundledPackage = regexp.MustCompile(`(?m)^// (?:.*/)?node_modules/((?:@[^/]+/)?[^/]+)/`)

// bundledLicences returns the licences of the npm packages in the scripts of a folder. Those are not on this machine, so
// their licences are copies in the folder texts, which a test of web/client compares.
func bundledLicences(scripts, texts string) ([]licence, error) {
	files, err := filepath.Glob(filepath.Join(scripts, "*.js"))
	if err != nil {
		return nil, err
	}
	found := make(map[string]licence)
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a script: %w", err)
		}
		for _, match := range bundledPackage.FindAllSubmatch(script, -1) {
			name := string(match[1])
			text, err := os.ReadFile(filepath.Join(texts, name+".txt"))
			if err != nil {
				return nil, fmt.Errorf("find the licence of the npm package %s in %s: %w", name, file, err)
			}
			found[name] = licence{name: "npm: " + name, text: string(text)}
		}
	}
	return slices.Collect(maps.Values(found)), nil
}
